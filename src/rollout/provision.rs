//! What a fresh app gets before its machines: addresses and volumes.

use std::collections::BTreeMap;

use crate::event::{Event, Reporter};
use crate::fly::wire::{AssignIp, CreateVolume};
use crate::fly::{AppName, Client};

use super::plan::{Plan, VolumeSource};
use super::{Current, Error};

/// Gives the app its addresses. What goes wrong there keeps nobody: the deploy goes on.
pub(super) async fn addresses(
    client: &Client,
    app: &AppName,
    current: &Current,
    plan: &Plan,
    reporter: &dyn Reporter,
) {
    let warn = |code, message| reporter.report(Event::Warning { code, message });
    if plan.unpaid_address {
        let message = format!(
            "the services of `{app}` need a dedicated IPv4 address, which costs money: allow it \
             with `--yes`, or use `fly ips allocate-v4 -a {app}`"
        );
        warn("rollout.no-address", message);
    }
    for kind in &plan.addresses {
        let org_slug = current.app.organization.slug.clone();
        let request = AssignIp { kind: *kind, org_slug, ..AssignIp::default() };
        match client.assign_ip(app, &request).await {
            Ok(assigned) => reporter.report(Event::AddressAssigned {
                address: assigned.ip,
                kind: kind.as_str().to_owned(),
            }),
            Err(error) => warn("rollout.no-address", error.to_string()),
        }
    }
}

/// Makes the volumes that are missing, and gives them to the machines that shall be made.
pub(super) async fn volumes(
    client: &Client,
    app: &AppName,
    plan: &mut Plan,
    image: &str,
    reporter: &dyn Reporter,
) -> Result<(), Error> {
    let mut made = BTreeMap::new();
    for volume in &plan.volumes {
        let create = plan.creates.iter().find(|create| create.group == volume.group);
        let request = CreateVolume {
            name: volume.name.clone(),
            region: volume.region.clone().unwrap_or_default(),
            size_gb: Some(volume.size_gb),
            encrypted: Some(true),
            snapshot_retention: volume.snapshot_retention,
            auto_backup_enabled: volume.scheduled_snapshots,
            compute: create.and_then(|create| create.config.guest.clone()),
            compute_image: Some(image.to_owned()),
            ..CreateVolume::default()
        };
        let created = client.create_volume(app, &request).await?;
        reporter.report(Event::VolumeCreated {
            volume: created.id.clone(),
            name: created.name,
            group: volume.group.clone(),
            region: created.region,
            size_gb: created.size_gb,
        });
        made.insert(volume.group.clone(), created.id);
    }
    for create in &mut plan.creates {
        let id = match &create.volume {
            VolumeSource::None => None,
            VolumeSource::Free(id) => Some(id.clone()),
            VolumeSource::New => made.get(&create.group).cloned(),
        };
        if let Some(mount) = create.config.mounts.first_mut() {
            mount.volume = id;
        }
    }
    Ok(())
}
