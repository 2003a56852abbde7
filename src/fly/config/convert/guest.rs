//! Sizes of machines.

use crate::fly::config::model::{Document, Vm};
use crate::fly::config::problem::Fault;
use crate::fly::wire::Guest;

use super::size::mebibytes;

/// CPUs of the `shared-cpu-Nx` sizes, with 256 MiB each.
const SHARED: [u64; 5] = [1, 2, 4, 6, 8];
/// CPUs of the `performance-Nx` sizes, with 2048 MiB each.
const PERFORMANCE: [u64; 9] = [1, 2, 4, 6, 8, 10, 12, 14, 16];
/// Sizes with a GPU, and its kind.
const GPUS: [(&str, &str); 4] = [
    ("a100-40gb", "a100-pcie-40gb"),
    ("a100-80gb", "a100-sxm4-80gb"),
    ("l40s", "l40s"),
    ("a10", "a10"),
];

/// Returns the size of a group's machines, or nothing if the file does not say: an update
/// keeps the machine's own then.
///
/// The last `[[vm]]` that names the group counts, or else the first that names none.
pub(in crate::fly::config) fn of_group(
    document: &Document,
    group: &str,
) -> Result<Option<Guest>, Fault> {
    let sizes = || document.vm.iter().enumerate();
    let named = sizes().rev().find(|(_, vm)| vm.processes.iter().any(|name| name == group));
    let chosen = named.or_else(|| sizes().find(|(_, vm)| vm.processes.is_empty()));
    let guest = chosen.map(|(n, vm)| sized_by(vm, &format!("vm[{n}]"), document));
    guest.transpose()
}

/// Returns the size that a table says, which stands at `key`.
pub(in crate::fly::config) fn sized_by(
    vm: &Vm,
    key: &str,
    document: &Document,
) -> Result<Guest, Fault> {
    let fallback = if vm.gpu_kind.is_empty() { "shared-cpu-1x" } else { "performance-8x" };
    let size = if vm.size.is_empty() { fallback } else { &vm.size };
    let mut guest = preset(size).map_err(|reason| Fault::of(format!("{key}.size"), reason))?;
    guest.host_dedication_id = text(&document.host_dedication_id);
    if !vm.memory.is_empty() {
        guest.memory_mb = Some(memory(&vm.memory, &format!("{key}.memory"))?);
    }
    overlay(&mut guest, vm);
    Ok(guest)
}

/// Reads a size of memory, which is some.
pub(in crate::fly::config) fn memory(size: &str, key: &str) -> Result<u64, Fault> {
    match mebibytes(size) {
        Some(0) => Err(Fault::of(key, format!("`{size}` is less than 1 MiB"))),
        Some(mib) => Ok(mib),
        None => Err(Fault::of(key, format!("`{size}` is no size such as `512mb` or `1gb`"))),
    }
}

/// What is given directly beats the size's name.
fn overlay(guest: &mut Guest, vm: &Vm) {
    let number = |to: &mut Option<u64>, from: u64| {
        if from > 0 {
            *to = Some(from);
        }
    };
    number(&mut guest.cpus, vm.cpus);
    number(&mut guest.memory_mb, vm.memory_mb);
    number(&mut guest.max_memory_mb, vm.max_memory_mb);
    number(&mut guest.gpus, vm.gpus);
    let word = |to: &mut Option<String>, from: &str| {
        if !from.is_empty() {
            *to = Some(from.to_owned());
        }
    };
    word(&mut guest.cpu_kind, &vm.cpu_kind);
    word(&mut guest.gpu_kind, &vm.gpu_kind);
    word(&mut guest.host_dedication_id, &vm.host_dedication_id);
    word(&mut guest.persist_rootfs, &vm.persist_rootfs);
    if !vm.kernel_args.is_empty() {
        guest.kernel_args.clone_from(&vm.kernel_args);
    }
}

fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn sized(kind: &str, cpus: u64, memory_mb: u64) -> Guest {
    Guest {
        cpu_kind: Some(kind.to_owned()),
        cpus: Some(cpus),
        memory_mb: Some(memory_mb),
        ..Guest::default()
    }
}

fn preset(size: &str) -> Result<Guest, String> {
    let cpus = |prefix| size.strip_prefix(prefix)?.strip_suffix('x')?.parse::<u64>().ok();
    if let Some(n) = cpus("shared-cpu-").filter(|n| SHARED.contains(n)) {
        return Ok(sized("shared", n, n * 256));
    }
    if let Some(n) = cpus("performance-").filter(|n| PERFORMANCE.contains(n)) {
        return Ok(sized("performance", n, n * 2048));
    }
    if let Some((_, kind)) = GPUS.iter().find(|(name, _)| *name == size) {
        let mut guest = sized("performance", 8, 32_768);
        guest.gpus = Some(1);
        guest.gpu_kind = Some((*kind).to_owned());
        return Ok(guest);
    }
    let all: Vec<_> = SHARED
        .iter()
        .map(|n| format!("shared-cpu-{n}x"))
        .chain(PERFORMANCE.iter().map(|n| format!("performance-{n}x")))
        .chain(GPUS.iter().map(|(name, _)| (*name).to_owned()))
        .collect();
    Err(format!("`{size}` is an invalid machine size, choose one of: {}", all.join(", ")))
}

/// Tells what of a size the platform does not give.
pub(in crate::fly::config) fn out_of_bounds(guest: &Guest) -> Option<String> {
    let kind = guest.cpu_kind.as_deref()?;
    let (least, most) = match kind {
        "shared" => (256, 2048),
        "performance" => (2048, 8192),
        _ => return Some(format!("`{kind}` is no kind of CPU: `shared` or `performance`")),
    };
    let (cpus, memory) = (guest.cpus?, guest.memory_mb?);
    let (least, most) = (least * cpus, most * cpus);
    (!(least..=most).contains(&memory)).then(|| {
        format!(
            "the platform gives {least} to {most} MB of memory with {cpus} {kind} CPUs, and this \
             is {memory}"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_has_its_cpus_and_memory() {
        for n in SHARED {
            assert_eq!(preset(&format!("shared-cpu-{n}x")).unwrap(), sized("shared", n, n * 256));
        }
        for n in PERFORMANCE {
            let guest = sized("performance", n, n * 2048);
            assert_eq!(preset(&format!("performance-{n}x")).unwrap(), guest);
        }
        for (name, kind) in GPUS {
            let guest = preset(name).unwrap();
            assert_eq!((guest.gpus, guest.gpu_kind.as_deref()), (Some(1), Some(kind)));
            assert_eq!((guest.cpus, guest.memory_mb), (Some(8), Some(32_768)));
        }
    }

    #[test]
    fn an_unknown_size_is_answered_with_those_that_exist() {
        for size in ["shared-cpu-3x", "performance-3x", "huge", "shared-cpu-1", ""] {
            let reason = preset(size).unwrap_err();
            assert!(reason.contains("shared-cpu-4x") && reason.contains("a10"), "{reason}");
        }
    }

    #[test]
    fn memory_has_bounds_for_each_cpu() {
        for (kind, cpus, memory, fits) in [
            ("shared", 1, 256, true),
            ("shared", 1, 2048, true),
            ("shared", 1, 2304, false),
            ("shared", 2, 256, false),
            ("performance", 1, 8192, true),
            ("performance", 1, 16_384, false),
            ("fast", 1, 256, false),
        ] {
            let found = out_of_bounds(&sized(kind, cpus, memory));
            assert_eq!(found.is_none(), fits, "{kind} {cpus} {memory}: {found:?}");
        }
    }
}
