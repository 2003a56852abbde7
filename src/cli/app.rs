//! The app that a command is about, and who can be asked about it.

use super::Context;
use super::args::AppArgs;
use super::exit::Failure;
use super::fly_toml;
use super::platform::Fly;
use crate::fly::AppName;
use crate::fly::config::AppConfig;

/// An app that is there already.
pub(super) struct App {
    pub(super) name: AppName,
    /// What was read to know its name.
    pub(super) config: Option<AppConfig>,
    pub(super) fly: Fly,
}

impl App {
    /// Finds out which app is meant. fly.toml is read only where the name was not typed.
    pub(super) async fn of(context: &Context, args: &AppArgs) -> Result<Self, Failure> {
        let AppArgs { fly, config, sandbox } = args;
        let (name, config) = if let Some(app) = &fly.app {
            (app.clone(), None)
        } else {
            let config = fly_toml::read(context, &fly_toml::find(config.config.as_deref())?)?;
            (fly_toml::app_of(&config, None)?, Some(config))
        };
        let fly = Fly::of(context, fly, sandbox.as_deref(), &name).await?;
        Ok(Self { name, config, fly })
    }
}
