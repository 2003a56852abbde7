//! How a rollout goes about its work.

use std::time::Duration;

use crate::fly::config::{AppConfig, MaxUnavailable, Strategy, Timeout};

use super::Scope;

/// How a rollout goes about its work.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// How machines are replaced.
    pub strategy: Strategy,
    /// How many machines of a group may be changed at once by a rolling deploy.
    pub max_unavailable: MaxUnavailable,
    /// How many machines are worked on at once where that is not the limit, from 1.
    pub max_concurrent: usize,
    /// The machines that it is about.
    pub scope: Scope,
    /// Whether machines are watched after they were changed.
    pub watch: bool,
    /// What becomes of machines that were changed when a deploy fails.
    pub on_failure: OnFailure,
    /// Whether the release command is run.
    pub release_command: bool,
    /// What process groups without machines get.
    pub new_groups: NewGroups,
    /// What a fresh app gets.
    pub first_deploy: FirstDeploy,
    /// Whether a machine may be replaced by one without its volume, which stays.
    pub may_detach_volumes: bool,
    /// The signal by which a bluegreen deploy stops the machines that it replaces.
    pub stop_signal: String,
    /// How long things may take.
    pub patience: Patience,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            strategy: Strategy::default(),
            max_unavailable: MaxUnavailable::DEFAULT,
            max_concurrent: 8,
            scope: Scope::default(),
            watch: true,
            on_failure: OnFailure::GoBack,
            release_command: true,
            new_groups: NewGroups::WithSpares,
            first_deploy: FirstDeploy::default(),
            may_detach_volumes: false,
            stop_signal: "SIGINT".to_owned(),
            patience: Patience::DEFAULT,
        }
    }
}

impl Settings {
    /// Returns whether machines are watched: an immediate deploy watches none.
    pub(super) fn watches(&self) -> bool {
        self.watch && self.strategy != Strategy::Immediate
    }

    /// Returns the settings that `[deploy]` of fly.toml asks for.
    pub fn of(config: &AppConfig) -> Self {
        let mut settings = Self {
            strategy: config.strategy(),
            max_unavailable: config.max_unavailable(),
            ..Self::default()
        };
        if let Some(timeout) = config.wait_timeout() {
            settings.patience.wait_timeout = timeout;
        }
        match config.release_command().and_then(|command| command.timeout) {
            Some(Timeout::Unlimited) => settings.patience.release_command_timeout = None,
            Some(Timeout::After(timeout)) => {
                settings.patience.release_command_timeout = Some(timeout);
            }
            None => {}
        }
        settings
    }
}

/// What becomes of machines that were changed when a deploy fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// They get back what they ran before.
    GoBack,
    /// They stay as they are.
    Stay,
}

/// What process groups without machines get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewGroups {
    /// A machine, and another that makes it highly available: a second one where there are
    /// services, a standby where there are none, and nothing where there is a volume.
    WithSpares,
    /// One machine.
    OneMachine,
    /// Nothing.
    Nothing,
}

/// What a fresh app gets besides machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstDeploy {
    /// The addresses of an app with services.
    pub addresses: Addresses,
    /// Whether a dedicated IPv4 address, which costs money, may be had where services need one.
    pub may_pay_for_address: bool,
    /// The size of volumes whose mount does not say, in GB.
    pub volume_size_gb: u64,
}

impl Default for FirstDeploy {
    fn default() -> Self {
        Self { addresses: Addresses::Public, may_pay_for_address: false, volume_size_gb: 1 }
    }
}

/// The addresses of a fresh app with services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addresses {
    /// On the Internet.
    Public,
    /// In the organization's network alone.
    Private,
    /// None.
    Nothing,
}

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How long a machine may take to start, and then to become healthy.
    pub wait_timeout: Duration,
    /// How long the release command may take; nothing for as long as it wants.
    pub release_command_timeout: Option<Duration>,
    /// How long a lease lives unless it is refreshed.
    pub lease_ttl: Duration,
    /// How long to wait for leases that others hold.
    pub wait_for_leases: Duration,
    /// How long a machine without health checks is watched after its start.
    pub without_checks: Duration,
    /// How long a bluegreen deploy lets the proxy find the new machines, and then again lets
    /// it forget the old ones.
    pub switch_pause: Duration,
}

impl Patience {
    /// As the platform's own client has them, but for its ten seconds for machines without
    /// checks, which are halved: an exit is seen by its event.
    pub const DEFAULT: Self = Self {
        wait_timeout: Duration::from_secs(300),
        release_command_timeout: Some(Duration::from_secs(300)),
        lease_ttl: Duration::from_secs(13),
        wait_for_leases: Duration::ZERO,
        without_checks: Duration::from_secs(5),
        switch_pause: Duration::from_secs(10),
    };
}
