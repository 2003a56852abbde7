//! The GraphQL that flyctl asks in a deploy and around it.
//!
//! Fields, aliases, arguments and variables are read as GraphQL has them. A field that is not
//! known here is an error, as a field that is not in the schema is on Fly.

mod app;
mod selection;

use std::collections::BTreeMap;

use graphql_parser::query::{Definition, OperationDefinition, parse_query};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::{Answer, Call, Outcome};
use selection::{Field, Fragments, Set, argument, fields, key, project};

#[derive(Debug, Deserialize)]
struct Request {
    query: String,
    #[serde(default)]
    variables: Map<String, Value>,
    #[serde(default, rename = "operationName")]
    operation_name: Option<String>,
}

/// Why a query has no answer: a text, and a code for programs.
#[derive(Debug)]
pub(super) struct GraphQlError {
    message: String,
    code: &'static str,
}

impl GraphQlError {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { message: message.into(), code }
    }

    fn undefined(kind: &str, field: &str) -> Self {
        let message = format!("Field '{field}' doesn't exist on type '{kind}'");
        Self::new("undefinedField", message)
    }

    fn app_unknown() -> Self {
        Self::new("NOT_FOUND", "Could not find App")
    }
}

/// Answers a query. Errors come with status 200, as GraphQL has it.
pub(super) async fn answer(call: &Call<'_>) -> Outcome {
    let request: Request = call.json()?;
    Ok(Answer::ok(match run(call, &request).await {
        Ok(data) => json!({"data": data}),
        Err(GraphQlError { message, code }) => {
            json!({"data": null, "errors": [{"message": message, "extensions": {"code": code}}]})
        }
    }))
}

async fn run(call: &Call<'_>, request: &Request) -> Result<Value, GraphQlError> {
    let document = parse_query::<String>(&request.query)
        .map_err(|error| GraphQlError::new("parseError", error.to_string()))?
        .into_static();
    let mut fragments = BTreeMap::new();
    let mut operations = Vec::new();
    for definition in &document.definitions {
        match definition {
            Definition::Fragment(fragment) => {
                fragments.insert(fragment.name.as_str(), &fragment.selection_set);
            }
            Definition::Operation(operation) => operations.push(operation),
        }
    }
    let wanted = request.operation_name.as_ref().filter(|name| !name.is_empty());
    let operation = operations.into_iter().find(|operation| {
        let name = match operation {
            OperationDefinition::Query(query) => query.name.as_ref(),
            OperationDefinition::Mutation(mutation) => mutation.name.as_ref(),
            OperationDefinition::SelectionSet(_) | OperationDefinition::Subscription(_) => None,
        };
        wanted.is_none() || name == wanted
    });
    match operation {
        Some(OperationDefinition::Query(query)) => {
            root(call, &query.selection_set, &fragments, &request.variables).await
        }
        Some(OperationDefinition::SelectionSet(set)) => {
            root(call, set, &fragments, &request.variables).await
        }
        Some(OperationDefinition::Mutation(mutation)) => {
            let fields = fields(&mutation.selection_set, &fragments)?;
            let field = fields.first().map_or("", |field| field.name.as_str());
            Err(GraphQlError::undefined("Mutation", field))
        }
        _ => Err(GraphQlError::new("parseError", "there is no such operation")),
    }
}

/// Resolves the fields of a query itself.
async fn root(
    call: &Call<'_>,
    set: &Set,
    fragments: &Fragments<'_>,
    variables: &Map<String, Value>,
) -> Result<Value, GraphQlError> {
    let mut data = Map::new();
    for field in fields(set, fragments)? {
        let value = root_field(call, field, fragments, variables).await?;
        data.insert(key(field).to_owned(), value);
    }
    Ok(Value::Object(data))
}

async fn root_field(
    call: &Call<'_>,
    field: &Field,
    fragments: &Fragments<'_>,
    variables: &Map<String, Value>,
) -> Result<Value, GraphQlError> {
    let named = argument(field, "name", variables);
    let set = &field.selection_set;
    match field.name.as_str() {
        "app" => app::resolve(call, &named, set, fragments, variables).await,
        "canPerformBluegreenDeployment" => {
            app::visible(call, &named)?;
            Ok((!call.core.state().without_bluegreen.contains(&named)).into())
        }
        "appNameAvailable" => Ok(call.core.state().app(&named).is_none().into()),
        "organization" => {
            let slug = argument(field, "slug", variables);
            let state = call.core.state();
            let known = state.organizations().contains(slug.as_str());
            if !known || !call.permit.sees_organization(&state, &slug) {
                let message = "Could not find Organization";
                return Err(GraphQlError::new("NOT_FOUND", message));
            }
            project(&app::organization(&slug), "Organization", set, fragments)
        }
        "viewer" => {
            let viewer =
                json!({"id": "usr_1", "email": "sandbox@tokens.fly.io", "name": "Sandbox"});
            project(&viewer, "Principal", set, fragments)
        }
        other => Err(GraphQlError::undefined("Query", other)),
    }
}
