//! stub
use super::{AppConfig, Error};
use crate::fly::wire::{Guest, MachineConfig, Service};
use std::time::Duration;
/// v
#[derive(Debug, Clone)]
pub struct VolumeRequest {
    pub name: String,
    pub initial_size_gb: Option<u64>,
    pub snapshot_retention: Option<u64>,
    pub scheduled_snapshots: Option<bool>,
}
/// r
#[derive(Debug, Clone)]
pub struct ReleaseCommand {
    pub command: String,
    pub timeout: Option<Duration>,
    pub guest: Option<Guest>,
}
/// m
#[derive(Debug, Clone)]
pub struct MachineCheck {
    pub command: Vec<String>,
}
impl AppConfig {
    pub fn volume(&self, _group: &str) -> Option<VolumeRequest> {
        None
    }
    pub fn has_services(&self, _group: &str) -> bool {
        true
    }
    pub fn services(&self, _group: &str) -> Vec<Service> {
        Vec::new()
    }
    pub fn release_command(&self) -> Option<ReleaseCommand> {
        None
    }
    pub fn release_machine_config(&self, _image: &str) -> Result<MachineConfig, Error> {
        todo!()
    }
    pub fn default_guest(&self) -> Option<Guest> {
        None
    }
    pub fn machine_checks(&self, _group: &str) -> Vec<MachineCheck> {
        Vec::new()
    }
    pub fn test_machine_config(
        &self,
        _g: &str,
        _c: &MachineCheck,
        _i: &str,
        _a: &str,
    ) -> Result<MachineConfig, Error> {
        todo!()
    }
}
impl Guest {
    pub fn preset(_n: &str) -> Option<Guest> {
        None
    }
}
