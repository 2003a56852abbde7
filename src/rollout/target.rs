//! What an app's machines shall be like.

use crate::fly::config::{self, AppConfig};
use crate::fly::wire::MachineConfig;

/// What an app's machines shall be like.
#[derive(Debug, Clone)]
pub enum Target {
    /// As fly.toml says.
    Config(Box<AppConfig>),
    /// As they are, but for the image: what going back to a release means. No machine is
    /// created or destroyed.
    ImageAlone,
}

impl Target {
    /// Returns fly.toml, if it is the one to say.
    pub fn config(&self) -> Option<&AppConfig> {
        match self {
            Self::Config(config) => Some(config),
            Self::ImageAlone => None,
        }
    }

    /// Returns the configuration that a machine of `group` gets.
    ///
    /// # Errors
    ///
    /// Fails when fly.toml does not convert.
    pub(super) fn next(
        &self,
        group: &str,
        image: &str,
        existing: &MachineConfig,
    ) -> Result<MachineConfig, config::Error> {
        match self {
            Self::Config(config) => config.machine_config(group, image, Some(existing)),
            Self::ImageAlone => Ok(MachineConfig { image: image.to_owned(), ..existing.clone() }),
        }
    }
}
