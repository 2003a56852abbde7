//! Process groups that come and go.

use serde::Serialize;

use crate::fly::config::AppConfig;
use crate::fly::wire::{AddressKind, MachineConfig, Service};
use crate::rollout::settings::{Addresses, NewGroups};
use crate::rollout::{Current, Settings, Target};

use super::volumes::{FreeVolumes, NewVolume, VolumeSource};
use super::{Conflict, Existing, Plan};

/// A machine that a process group without any gets.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Create {
    /// The process group.
    pub group: String,
    /// Where; the platform chooses when the configuration does not.
    pub region: Option<String>,
    /// What it shall run.
    pub config: Box<MachineConfig>,
    /// Its volume.
    pub volume: VolumeSource,
    /// The machine that follows it, once it is well.
    pub spare: Option<Spare>,
}

/// The second machine of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Spare {
    /// One more of the same.
    Second,
    /// One that is started when the first one's host fails.
    Standby,
}

/// Fails when the scope names what is not there.
pub(super) fn check_scope(
    all: &[(Existing, bool)],
    target: &Target,
    settings: &Settings,
) -> Result<(), Conflict> {
    let scope = &settings.scope;
    let mut groups = target.config().map(AppConfig::groups).unwrap_or_default();
    groups.extend(all.iter().map(|(existing, _)| existing.group.clone()));
    groups.sort();
    groups.dedup();
    if let Some(unknown) = scope.groups.iter().find(|group| !groups.contains(group)) {
        return Err(Conflict::NoSuchGroup { group: unknown.clone(), groups });
    }
    let known = |id: &&String| all.iter().any(|(existing, _)| existing.id == **id);
    let named = scope.machines.iter().chain(&scope.excluded_machines);
    if let Some(unknown) = named.clone().find(|id| !known(id)) {
        return Err(Conflict::NoSuchMachine { machine: unknown.clone() });
    }
    let narrowed = !scope.is_everything() && !all.is_empty();
    if narrowed && scope.groups.is_empty() && !all.iter().any(|(_, within)| *within) {
        return Err(Conflict::NothingInScope { machines: all.len() });
    }
    Ok(())
}

/// Adds what process groups without machines need.
pub(super) fn add_machines(
    plan: &mut Plan,
    all: &[(Existing, bool)],
    current: &Current,
    config: &AppConfig,
    image: &str,
    settings: &Settings,
    free: &mut FreeVolumes,
) -> Result<(), Conflict> {
    let has_machines = |group: &String| all.iter().any(|(existing, _)| existing.group == *group);
    let empty = config.groups().into_iter().filter(|group| !has_machines(group));
    let region = config.primary_region().map(str::to_owned);
    if settings.new_groups != NewGroups::Nothing {
        for group in empty.filter(|group| settings.scope.has_group(group)) {
            let machine = config.machine_config(&group, image, None)?;
            let volume = match machine.mounts.first() {
                None => VolumeSource::None,
                Some(mount) => {
                    let name = mount.name.clone().unwrap_or_default();
                    match free.try_take(&name, region.as_deref()) {
                        Some(id) => VolumeSource::Free(id),
                        None if plan.is_first => {
                            plan.volumes.push(new_volume(config, settings, &group, name, &machine));
                            VolumeSource::New
                        }
                        None => {
                            free.take(&group, &name, region.as_deref());
                            VolumeSource::None
                        }
                    }
                }
            };
            let spare = spare(&machine, settings.new_groups);
            let (region, config) = (region.clone(), Box::new(machine));
            plan.creates.push(Create { group, region, config, volume, spare });
        }
    }
    if plan.is_first && !current.has_addresses {
        let services: Vec<_> = plan.creates.iter().flat_map(|c| &c.config.services).collect();
        (plan.addresses, plan.unpaid_address) = addresses(&services, settings);
    }
    Ok(())
}

fn spare(machine: &MachineConfig, wanted: NewGroups) -> Option<Spare> {
    match wanted {
        NewGroups::WithSpares if !machine.mounts.is_empty() => None,
        NewGroups::WithSpares if machine.services.is_empty() => Some(Spare::Standby),
        NewGroups::WithSpares => Some(Spare::Second),
        NewGroups::OneMachine | NewGroups::Nothing => None,
    }
}

fn new_volume(
    config: &AppConfig,
    settings: &Settings,
    group: &str,
    name: String,
    machine: &MachineConfig,
) -> NewVolume {
    /// What a machine with a GPU gets: models are large.
    const BESIDE_A_GPU_GB: u64 = 100;
    let asked = config.volume(group);
    let asked = asked.as_ref();
    let has_gpu = machine.guest.as_ref().is_some_and(|guest| guest.gpu_kind.is_some());
    let usual = match settings.first_deploy.volume_size_gb {
        1 if has_gpu => BESIDE_A_GPU_GB,
        size => size,
    };
    NewVolume {
        group: group.to_owned(),
        name,
        region: config.primary_region().map(str::to_owned),
        size_gb: asked.and_then(|volume| volume.initial_size_gb).unwrap_or(usual),
        snapshot_retention: asked.and_then(|volume| volume.snapshot_retention),
        scheduled_snapshots: asked.and_then(|volume| volume.scheduled_snapshots),
    }
}

/// Returns the addresses for services, and whether they need one that is not agreed to.
fn addresses(services: &[&Service], settings: &Settings) -> (Vec<AddressKind>, bool) {
    let first = &settings.first_deploy;
    if services.is_empty() {
        return (Vec::new(), false);
    }
    match first.addresses {
        Addresses::Nothing => (Vec::new(), false),
        Addresses::Private => (vec![AddressKind::PrivateV6], false),
        Addresses::Public if !services.iter().any(|service| needs_dedicated(service)) => {
            (vec![AddressKind::V6, AddressKind::SharedV4], false)
        }
        Addresses::Public if !first.may_pay_for_address => (Vec::new(), true),
        Addresses::Public if services.iter().any(|service| is_udp(service)) => {
            (vec![AddressKind::V4], false)
        }
        Addresses::Public => (vec![AddressKind::V4, AddressKind::V6], false),
    }
}

fn is_udp(service: &Service) -> bool {
    service.protocol.as_deref() == Some("udp")
}

/// A shared address tells apps apart by host names, which only HTTP and TLS have.
fn needs_dedicated(service: &Service) -> bool {
    is_udp(service)
        || service.ports.iter().any(|port| {
            let handlers: Vec<_> = port.handlers.iter().map(String::as_str).collect();
            match port.port {
                Some(80) => handlers != ["http"],
                Some(443) => !matches!(handlers.as_slice(), ["http", "tls"] | ["tls", "http"]),
                _ => true,
            }
        })
}
