//! Volumes.

use crate::fly::config::AppConfig;
use crate::fly::config::model::{Document, Mount};
use crate::fly::config::problem::Fault;
use crate::fly::wire;

use super::size::gigabytes;

/// A volume that the machines of a group need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeRequest {
    /// The volume's name; each machine has one of that name for itself.
    pub name: String,
    /// Its size in GB when it is made, if the file says so.
    pub initial_size_gb: Option<u64>,
    /// For how many days its snapshots are kept.
    pub snapshot_retention: Option<u64>,
    /// Whether snapshots are made each day.
    pub scheduled_snapshots: Option<bool>,
}

impl AppConfig {
    /// Returns the volume that each machine of `group` needs, if it needs one.
    pub fn volume(&self, group: &str) -> Option<VolumeRequest> {
        let (_, mount) = of_group(&self.document, group).next()?;
        Some(VolumeRequest {
            name: mount.source.clone(),
            initial_size_gb: gigabytes(&mount.initial_size),
            snapshot_retention: mount.snapshot_retention.and_then(|days| days.try_into().ok()),
            scheduled_snapshots: mount.scheduled_snapshots,
        })
    }
}

/// Returns the mounts of a group, and their places in the list.
fn of_group<'d>(
    document: &'d Document,
    group: &'d str,
) -> impl Iterator<Item = (usize, &'d Mount)> {
    let mounts = document.mounts.iter().enumerate();
    mounts.filter(move |(_, mount)| document.belongs(&mount.processes, group))
}

/// Returns the mount of a group's machines, without a volume.
///
/// Fails when there are several.
pub(in crate::fly::config) fn mount(
    document: &Document,
    group: &str,
) -> Result<Option<wire::Mount>, Fault> {
    let mut mounts = of_group(document, group);
    let Some((_, mount)) = mounts.next() else { return Ok(None) };
    if let Some((n, _)) = mounts.next() {
        let reason = format!("process group `{group}` has another mount, and one is possible");
        return Err(Fault::of(format!("mounts[{n}]"), reason));
    }
    let number = |number: u64| Some(number).filter(|number| *number > 0);
    Ok(Some(wire::Mount {
        name: Some(mount.source.clone()).filter(|name| !name.is_empty()),
        path: mount.destination.clone(),
        extend_threshold_percent: number(mount.auto_extend_size_threshold),
        add_size_gb: gigabytes(&mount.auto_extend_size_increment).and_then(number),
        size_gb_limit: gigabytes(&mount.auto_extend_size_limit).and_then(number),
        ..wire::Mount::default()
    }))
}

/// Returns the mounts of a machine that has had `mounts` and is to have `wanted`: a volume
/// stays where it is, if it is the one that is wanted. Otherwise the mount has no volume.
pub(super) fn remount(mounts: &[wire::Mount], wanted: Option<wire::Mount>) -> Vec<wire::Mount> {
    let Some(wanted) = wanted else { return Vec::new() };
    let name = |mount: &wire::Mount| mount.name.clone().filter(|name| !name.is_empty());
    let kept = mounts.first().and_then(|has| match name(has) {
        // A volume without a name is older than names: it stays as it is.
        None => Some(has.clone()),
        same if same == wanted.name => {
            Some(wire::Mount { path: wanted.path.clone(), ..has.clone() })
        }
        Some(_) => None,
    });
    vec![match kept {
        None => wanted,
        Some(kept) => wire::Mount {
            extend_threshold_percent: wanted.extend_threshold_percent,
            add_size_gb: wanted.add_size_gb,
            size_gb_limit: wanted.size_gb_limit,
            ..kept
        },
    }]
}

/// Returns the sizes of a mount in GB, each with its key; an error tells what is no size.
pub(in crate::fly::config) fn sizes(mount: &Mount) -> [(&'static str, Result<u64, String>); 3] {
    [
        ("initial_size", &mount.initial_size),
        ("auto_extend_size_increment", &mount.auto_extend_size_increment),
        ("auto_extend_size_limit", &mount.auto_extend_size_limit),
    ]
    .map(|(key, text)| {
        let size = match gigabytes(text) {
            _ if text.is_empty() => Ok(0),
            Some(0) => Err(format!("`{text}` is less than 1 GB")),
            Some(size) => Ok(size),
            None => Err(format!("`{text}` is no size such as `3gb`")),
        };
        (key, size)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(volume: Option<&str>, name: Option<&str>, path: &str) -> wire::Mount {
        wire::Mount {
            volume: volume.map(str::to_owned),
            name: name.map(str::to_owned),
            path: path.to_owned(),
            ..wire::Mount::default()
        }
    }

    #[test]
    fn a_machine_keeps_its_volume_where_it_is_the_wanted_one() {
        let wanted = || Some(mount(None, Some("data"), "/data"));
        let kept = |path| vec![mount(Some("vol_1"), Some("data"), path)];
        for (has, wants, gets) in [
            (vec![], None, vec![]),
            (vec![], wanted(), vec![mount(None, Some("data"), "/data")]),
            (kept("/data"), None, vec![]),
            (kept("/data"), wanted(), kept("/data")),
            (kept("/old"), wanted(), kept("/data")),
            (
                vec![mount(Some("vol_1"), None, "/old")],
                wanted(),
                vec![mount(Some("vol_1"), None, "/old")],
            ),
            (
                vec![mount(Some("vol_1"), Some(""), "/old")],
                wanted(),
                vec![mount(Some("vol_1"), Some(""), "/old")],
            ),
            (
                vec![mount(Some("vol_1"), Some("other"), "/data")],
                wanted(),
                vec![mount(None, Some("data"), "/data")],
            ),
        ] {
            assert_eq!(remount(&has, wants), gets, "{has:?}");
        }
    }

    #[test]
    fn how_a_volume_grows_is_always_the_files_word() {
        let has = wire::Mount {
            extend_threshold_percent: Some(90),
            size_gb_limit: Some(9),
            ..mount(Some("vol_1"), None, "/data")
        };
        let wants = wire::Mount { add_size_gb: Some(2), ..mount(None, Some("data"), "/data") };
        let [got] = remount(&[has], Some(wants)).try_into().unwrap();
        assert_eq!(
            (got.extend_threshold_percent, got.add_size_gb, got.size_gb_limit),
            (None, Some(2), None)
        );
    }
}
