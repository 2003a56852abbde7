//! `snowbird apps`

use serde_json::json;
use ulid::Ulid;

use super::Context;
use super::args::{AppsCommand, CreateArgs};
use super::exit::Failure;
use super::platform::Fly;
use crate::fly::wire::App;
use crate::fly::{AppName, Client, Error};

/// The organization that everybody has.
const PERSONAL: &str = "personal";

/// How many generated names may be taken in turn.
const NAMES: usize = 5;

const ADJECTIVES: [&str; 16] = [
    "autumn", "bold", "calm", "clear", "cold", "early", "gentle", "green", "late", "light",
    "misty", "quiet", "silent", "still", "white", "winter",
];
const NOUNS: [&str; 16] = [
    "brook", "cloud", "dawn", "field", "forest", "frost", "haze", "lake", "meadow", "moon", "pine",
    "rain", "river", "snow", "star", "wind",
];

/// Runs the command.
pub(super) async fn run(context: &Context, command: AppsCommand) -> Result<(), Failure> {
    let AppsCommand::Create(args) = command;
    let fly = Fly::at(context, args.token_file.as_deref(), args.sandbox.as_deref()).await?;
    let created = tokio::select! {
        created = create(fly.client(), &args) => created?,
        () = context.cancel.cancelled() => return Err(Failure::interrupted()),
    };
    let App { id, name, organization, .. } = created;
    let value = json!({ "app": name, "organization": organization.slug, "id": id });
    context.output.result(&name, &value)
}

async fn create(client: &Client, args: &CreateArgs) -> Result<App, Failure> {
    let organization = match &args.org {
        Some(slug) => slug.clone(),
        None => default_organization(&client.access().await.organizations())?,
    };
    let mut attempt = 1;
    loop {
        let name = match &args.name {
            Some(name) => name.clone(),
            None => generated_name()?,
        };
        match client.create_app(&name, &organization).await {
            Err(Error::AppNameTaken { .. }) if args.name.is_none() && attempt < NAMES => {
                attempt += 1;
            }
            created => return created.map_err(Failure::of),
        }
    }
}

/// Chooses among the organizations that the token is for; where that is not known, everybody
/// has one of their own.
fn default_organization(organizations: &[&str]) -> Result<String, Failure> {
    match organizations {
        [] => Ok(PERSONAL.to_owned()),
        [one] => Ok((*one).to_owned()),
        several if several.contains(&PERSONAL) => Ok(PERSONAL.to_owned()),
        several => Err(Failure::config("the token is for more than one organization")
            .hint(&format!("name one with `--org`: {}", several.join(", ")))),
    }
}

/// Makes up a name.
fn generated_name() -> Result<AppName, Failure> {
    let number = Ulid::generate().random();
    let word = |words: &[&'static str; 16], shift: u32| {
        let at = usize::try_from((number >> shift) & 15).unwrap_or_default();
        words.get(at).copied().unwrap_or_default()
    };
    let digits = (number >> 32) % 10_000;
    let name = format!("{}-{}-{digits:04}", word(&ADJECTIVES, 0), word(&NOUNS, 4));
    name.parse().map_err(|error| Failure::unforeseen(&format!("{error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_only_organization_is_meant_or_the_personal_one() {
        for (organizations, expected) in [
            (&[][..], Some("personal")),
            (&["acme"], Some("acme")),
            (&["acme", "personal"], Some("personal")),
            (&["acme", "other"], None),
        ] {
            let chosen = default_organization(organizations).ok();
            assert_eq!(chosen.as_deref(), expected, "{organizations:?}");
        }
    }

    #[test]
    fn generated_names_are_names_and_differ() {
        let names: Vec<_> = (0..50).map(|_| generated_name().unwrap().to_string()).collect();
        assert!(names.iter().any(|name| *name != names[0]), "{names:?}");
    }
}
