//! What a query wants of a value.

use std::collections::BTreeMap;

use graphql_parser::query::{self, Selection};
use serde_json::{Map, Value};

use super::GraphQlError;

/// A field of a query.
pub(super) type Field = query::Field<'static, String>;

/// What a query wants of a value.
pub(super) type Set = query::SelectionSet<'static, String>;

/// The named parts of a query.
pub(super) type Fragments<'a> = BTreeMap<&'a str, &'a Set>;

/// Returns the fields that are wanted, those of fragments among them.
pub(super) fn fields<'a>(
    set: &'a Set,
    fragments: &Fragments<'a>,
) -> Result<Vec<&'a Field>, GraphQlError> {
    let mut found = Vec::new();
    for item in &set.items {
        match item {
            Selection::Field(field) => found.push(field),
            Selection::InlineFragment(inline) => {
                found.extend(fields(&inline.selection_set, fragments)?);
            }
            Selection::FragmentSpread(spread) => {
                let name = spread.fragment_name.as_str();
                let set = fragments.get(name).ok_or_else(|| {
                    let message = format!("Fragment {name} was used, but not defined");
                    GraphQlError::new("useAndDefineFragment", message)
                })?;
                // A fragment that names itself would never end.
                let mut others = fragments.clone();
                others.remove(name);
                found.extend(fields(set, &others)?);
            }
        }
    }
    Ok(found)
}

/// Returns the name under which a field is answered.
pub(super) fn key(field: &Field) -> &str {
    field.alias.as_ref().unwrap_or(&field.name)
}

/// Returns an argument that is a text, or an empty one.
pub(super) fn argument(field: &Field, name: &str, variables: &Map<String, Value>) -> String {
    let given = field.arguments.iter().find(|(argument, _)| *argument == name);
    match given.map(|(_, value)| value) {
        Some(query::Value::String(text)) => text.clone(),
        Some(query::Value::Variable(variable)) => {
            variables.get(variable).and_then(Value::as_str).unwrap_or_default().to_owned()
        }
        _ => String::new(),
    }
}

/// Takes from a value of type `kind` what a query wants of it. Fields of lists are those of
/// their members; what is asked for nothing in particular is given whole.
pub(super) fn project(
    value: &Value,
    kind: &str,
    set: &Set,
    fragments: &Fragments<'_>,
) -> Result<Value, GraphQlError> {
    if set.items.is_empty() {
        return Ok(value.clone());
    }
    match value {
        Value::Array(members) => {
            members.iter().map(|member| project(member, kind, set, fragments)).collect()
        }
        Value::Object(members) => {
            let mut taken = Map::new();
            for field in fields(set, fragments)? {
                let found = match (field.name.as_str(), members.get(&field.name)) {
                    ("__typename", _) => kind.into(),
                    (name, None) => return Err(GraphQlError::undefined(kind, name)),
                    (name, Some(found)) => project(found, name, &field.selection_set, fragments)?,
                };
                taken.insert(key(field).to_owned(), found);
            }
            Ok(Value::Object(taken))
        }
        Value::Null => Ok(Value::Null),
        _ => {
            let message = format!("Selections can't be made on scalars (field '{kind}')");
            Err(GraphQlError::new("selectionMismatch", message))
        }
    }
}

#[cfg(test)]
mod tests {
    use graphql_parser::query::{Definition, OperationDefinition, parse_query};
    use serde_json::json;

    use super::*;

    fn take(value: &Value, query: &str) -> Result<Value, String> {
        let document = parse_query::<String>(query).unwrap().into_static();
        let mut fragments = Fragments::new();
        let mut set = None;
        for definition in &document.definitions {
            match definition {
                Definition::Fragment(fragment) => {
                    fragments.insert(fragment.name.as_str(), &fragment.selection_set);
                }
                Definition::Operation(OperationDefinition::SelectionSet(found)) => {
                    set = Some(found);
                }
                Definition::Operation(_) => {}
            }
        }
        project(value, "App", set.unwrap(), &fragments).map_err(|error| error.message)
    }

    #[test]
    fn fields_are_taken_under_their_aliases_from_lists_and_fragments() {
        let app = json!({"id": "1", "size": "9", "ips": {"nodes": [{"ip": "a"}, {"ip": "b"}]},
                         "config": {"any": {"thing": 1}}, "release": null});
        for (query, expected) in [
            ("{id n: size}", json!({"id": "1", "n": "9"})),
            ("{ips{nodes{ip}}}", json!({"ips": {"nodes": [{"ip": "a"}, {"ip": "b"}]}})),
            ("{config}", json!({"config": {"any": {"thing": 1}}})),
            ("{release{id}}", json!({"release": null})),
            ("{...on App{id} ...rest} fragment rest on App{size}", json!({"id": "1", "size": "9"})),
            ("{__typename}", json!({"__typename": "App"})),
        ] {
            assert_eq!(take(&app, query), Ok(expected), "{query}");
        }
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        let app = json!({"id": "1"});
        for (query, expected) in [
            ("{name}", "Field 'name' doesn't exist on type 'App'"),
            ("{id{x}}", "Selections can't be made on scalars (field 'id')"),
            ("{...rest}", "Fragment rest was used, but not defined"),
            ("{...r} fragment r on App{...r}", "Fragment r was used, but not defined"),
        ] {
            assert_eq!(take(&app, query).unwrap_err(), expected, "{query}");
        }
    }
}
