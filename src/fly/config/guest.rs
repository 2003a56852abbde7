//! Sizes of machines.

use crate::fly::wire::Guest;

use super::model::{Document, Vm};

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
/// keeps the machine's own then. The error tells key and reason.
pub(super) fn guest(document: &Document, group: &str) -> Result<Option<Guest>, (String, String)> {
    let named = |vm: &&Vm| vm.processes.iter().any(|name| name == group);
    let Some(vm) = document
        .sizes()
        .find(named)
        .or_else(|| document.sizes().find(|vm| vm.processes.is_empty()))
    else {
        return Ok(None);
    };
    let fallback = if vm.gpu_kind.is_some() { "performance-8x" } else { "shared-cpu-1x" };
    let mut guest = preset(vm.size.as_deref().unwrap_or(fallback))
        .map_err(|reason| ("vm.size".to_owned(), reason))?;
    guest.host_dedication_id.clone_from(&document.host_dedication_id);
    if let Some(memory) = &vm.memory {
        let mib = mebibytes(&memory.0).ok_or_else(|| {
            ("vm.memory".to_owned(), format!("`{}` is not a size such as `512mb`", memory.0))
        })?;
        guest.memory_mb = Some(mib);
    }
    overlay(&mut guest, vm);
    Ok(Some(guest))
}

/// Returns the size that a new machine has when the file does not say.
pub(super) fn smallest() -> Guest {
    sized("shared", 1, 256)
}

/// What is given directly beats the size's name.
fn overlay(guest: &mut Guest, vm: &Vm) {
    let number = |to: &mut Option<u64>, from: Option<u64>| {
        if let Some(value) = from.filter(|value| *value > 0) {
            *to = Some(value);
        }
    };
    number(&mut guest.cpus, vm.cpus);
    number(&mut guest.memory_mb, vm.memory_mb);
    number(&mut guest.max_memory_mb, vm.max_memory_mb);
    number(&mut guest.gpus, vm.gpus);
    let text = |to: &mut Option<String>, from: &Option<String>| {
        if let Some(value) = from.as_ref().filter(|value| !value.is_empty()) {
            *to = Some(value.clone());
        }
    };
    text(&mut guest.cpu_kind, &vm.cpu_kind);
    text(&mut guest.gpu_kind, &vm.gpu_kind);
    text(&mut guest.host_dedication_id, &vm.host_dedication_id);
    text(&mut guest.persist_rootfs, &vm.persist_rootfs);
    if !vm.kernel_args.is_empty() {
        guest.kernel_args.clone_from(&vm.kernel_args);
    }
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

/// Reads a size of memory; a bare number counts MiB, units are binary.
fn mebibytes(text: &str) -> Option<u64> {
    if let Ok(number) = text.trim().parse() {
        return Some(number);
    }
    let bytes = scaled(text, 1024)?;
    Some(bytes >> 20).filter(|mib| *mib > 0)
}

/// Reads a size of a volume; a bare number counts GB, units are decimal.
pub(super) fn gigabytes(text: &str) -> Option<u64> {
    if let Ok(number) = text.trim().parse() {
        return Some(number);
    }
    let bytes = scaled(text, 1000)?;
    Some(bytes / 1_000_000_000).filter(|gb| *gb > 0)
}

/// Reads a number with a unit, such as `1.5gb`, to bytes.
fn scaled(text: &str, base: u64) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(end);
    let unit = unit.trim();
    let power = match unit.strip_suffix("ib").or(unit.strip_suffix('b')).unwrap_or(unit) {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "sizes are far below what a float counts exactly"
    )]
    Some((number * base.pow(power) as f64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_memory_are_binary_and_of_volumes_decimal() {
        for (text, mib) in [
            ("512", Some(512)),
            ("512mb", Some(512)),
            ("8GB", Some(8192)),
            ("1.5g", Some(1536)),
            ("1gib", Some(1024)),
            ("10kb", None),
            ("much", None),
            ("", None),
        ] {
            assert_eq!(mebibytes(text), mib, "{text}");
        }
        assert_eq!(gigabytes("30gb"), Some(30));
        assert_eq!(gigabytes("15Mb"), None);
        assert_eq!(gigabytes("3"), Some(3));
    }

    #[test]
    fn an_unknown_size_is_answered_with_those_that_exist() {
        let reason = preset("shared-cpu-3x").unwrap_err();
        assert!(reason.contains("shared-cpu-4x") && reason.contains("a10"), "{reason}");
        assert_eq!(preset("performance-2x").unwrap(), sized("performance", 2, 4096));
    }
}
