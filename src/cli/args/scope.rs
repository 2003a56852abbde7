//! Which of an app's machines are meant.

use crate::rollout::Scope;

/// Which of an app's machines are meant; flyctl has the same filters.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct ScopeArgs {
    /// Only process groups of these names; a list with commas, may be repeated
    #[arg(
        long = "process-group",
        visible_alias = "process-groups",
        value_name = "NAME",
        value_delimiter = ',',
        env = "SNOWBIRD_PROCESS_GROUP",
        hide_env_values = true,
        help_heading = "Machines"
    )]
    pub(in crate::cli) groups: Vec<String>,
    /// Only machines in these regions; a list with commas, may be repeated
    #[arg(
        long = "region",
        visible_aliases = ["regions", "only-regions"],
        value_name = "REGION",
        value_delimiter = ',',
        env = "SNOWBIRD_REGION",
        hide_env_values = true,
        help_heading = "Machines"
    )]
    pub(in crate::cli) regions: Vec<String>,
    /// No machines in these regions; a list with commas, may be repeated
    #[arg(
        long = "exclude-regions",
        value_name = "REGION",
        value_delimiter = ',',
        env = "SNOWBIRD_EXCLUDE_REGIONS",
        hide_env_values = true,
        help_heading = "Machines"
    )]
    pub(in crate::cli) excluded_regions: Vec<String>,
    /// Only the machines with these IDs; a list with commas, may be repeated
    #[arg(
        long = "only-machines",
        value_name = "ID",
        value_delimiter = ',',
        env = "SNOWBIRD_ONLY_MACHINES",
        hide_env_values = true,
        help_heading = "Machines"
    )]
    pub(in crate::cli) machines: Vec<String>,
    /// Not the machines with these IDs; a list with commas, may be repeated
    #[arg(
        long = "exclude-machines",
        value_name = "ID",
        value_delimiter = ',',
        env = "SNOWBIRD_EXCLUDE_MACHINES",
        hide_env_values = true,
        help_heading = "Machines"
    )]
    pub(in crate::cli) excluded_machines: Vec<String>,
}

impl ScopeArgs {
    /// Returns the machines that are meant.
    pub(in crate::cli) fn scope(&self) -> Scope {
        // An empty word comes from a comma too many, or from an empty variable.
        let set = |list: &[String]| {
            list.iter().map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
        };
        Scope {
            groups: set(&self.groups),
            regions: set(&self.regions),
            excluded_regions: set(&self.excluded_regions),
            machines: set(&self.machines),
            excluded_machines: set(&self.excluded_machines),
        }
    }
}
