//! How the platform says that it has no room.
//!
//! The words and statuses are those that users have met: a new machine is refused with 422,
//! one on a volume's host with 412, a change or a start of one that is there with 409.

use axum::http::StatusCode;

use super::answer::Refusal;
use super::lookup::MachinePath;
use crate::fly::wire::Guest;

const TEXT: &str =
    "could not reserve resource for machine: insufficient CPUs/memory available to fulfill request";

/// There is no room for a new machine.
pub(super) fn none_for_new(on_volume: bool) -> Refusal {
    if on_volume {
        let text = "insufficient resources to create new machine with existing volume";
        let refusal = Refusal::new(StatusCode::PRECONDITION_FAILED, text);
        return refusal.word("volume_placement_capacity");
    }
    Refusal::unprocessable(TEXT).word("insufficient_capacity")
}

/// There is no room for a machine that is there to grow or to start.
pub(super) fn none_for_known() -> Refusal {
    Refusal::conflict(TEXT)
}

/// Says of a request, by its path, that there is no room for what it wants.
pub(in crate::sandbox) fn no_capacity(path: &str) -> Refusal {
    match MachinePath::parse(path) {
        Some(MachinePath { machine: Some(_), .. }) => none_for_known(),
        _ => none_for_new(false),
    }
}

/// Whether a machine of size `new` needs more than one of size `old`. Without a size it is
/// the smallest.
pub(super) fn grows(old: Option<&Guest>, new: Option<&Guest>) -> bool {
    let size = |guest: Option<&Guest>| {
        let guest = guest.cloned().unwrap_or_default();
        let dedicated = guest.cpu_kind.is_some_and(|kind| kind != "shared");
        (dedicated, guest.cpus.unwrap_or(1), guest.memory_mb.unwrap_or(256))
    };
    let ((was_dedicated, old_cpus, old_mb), (dedicated, cpus, mb)) = (size(old), size(new));
    (dedicated && !was_dedicated) || cpus > old_cpus || mb > old_mb
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_grows_by_memory_processors_or_their_kind() {
        let guest = |kind: &str, cpus, memory_mb| Guest {
            cpu_kind: Some(kind.into()),
            cpus: Some(cpus),
            memory_mb: Some(memory_mb),
            ..Guest::default()
        };
        let small = guest("shared", 1, 256);
        for (new, expected) in [
            (guest("shared", 1, 512), true),
            (guest("shared", 2, 256), true),
            (guest("performance", 1, 256), true),
            (small.clone(), false),
        ] {
            assert_eq!(grows(Some(&small), Some(&new)), expected, "{new:?}");
        }
        assert!(!grows(Some(&guest("performance", 2, 4096)), Some(&small)));
        assert!(!grows(Some(&small), None) && !grows(None, Some(&small)));
    }
}
