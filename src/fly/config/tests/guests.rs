//! Sizes of machines, in the file and by flags.

use super::*;

#[test]
fn sizes_are_put_together_from_name_memory_and_parts() {
    let shared = |cpus: u64, mb: u64| json!({"cpu_kind": "shared", "cpus": cpus, "memory_mb": mb});
    for (vm, guest) in [
        ("", shared(1, 256)),
        ("size = 'shared-cpu-4x'", shared(4, 1024)),
        ("memory = '512mb'", shared(1, 512)),
        ("memory = 512", shared(1, 512)),
        ("memory = '1gb'\nmemory_mb = 2048", shared(1, 2048)),
        ("size = 'shared-cpu-2x'\ncpus = 4", shared(4, 512)),
        (
            "cpu_kind = 'performance'\nmemory = '2gb'\nmax_memory_mb = 4096\n\
             persist_rootfs = 'always'\nkernel_args = ['a']\nhost_dedication_id = 'h'",
            json!({
                "cpu_kind": "performance", "cpus": 1, "memory_mb": 2048, "max_memory_mb": 4096,
                "persist_rootfs": "always", "kernel_args": ["a"], "host_dedication_id": "h",
            }),
        ),
        (
            "gpu_kind = 'l40s'",
            json!({
                "cpu_kind": "performance", "cpus": 8, "memory_mb": 16384, "gpu_kind": "l40s",
            }),
        ),
        (
            "size = 'a10'",
            json!({
                "cpu_kind": "performance", "cpus": 8, "memory_mb": 32768, "gpus": 1,
                "gpu_kind": "a10",
            }),
        ),
    ] {
        parts(&format!("[[vm]]\n{vm}\n"), "app", &[("/guest", guest)]);
    }
}

#[test]
fn of_several_sizes_the_one_that_names_the_group_counts() {
    let text = "
        [processes]
        a = ''
        b = ''
        [[vm]]
        cpus = 2
        [[vm]]
        cpus = 4
        [[vm]]
        cpus = 6
        processes = ['a']
        [[vm]]
        cpus = 8
        processes = ['a']
    ";
    parts(text, "a", &[("/guest/cpus", json!(8))]);
    parts(text, "b", &[("/guest/cpus", json!(2))]);
}

#[test]
fn a_dedicated_host_is_for_all_sizes_but_those_that_name_their_own() {
    for (text, id) in [
        ("host_dedication_id = 'top'\n", "top"),
        ("host_dedication_id = 'top'\n[[vm]]\nsize = 'shared-cpu-2x'\n", "top"),
        ("host_dedication_id = 'top'\n[[vm]]\nhost_dedication_id = 'own'\n", "own"),
    ] {
        parts(text, "app", &[("/guest/host_dedication_id", json!(id))]);
    }
}

#[test]
fn a_size_by_flags_is_for_new_machines_without_one_in_the_file() {
    let flags = VmOverrides {
        size: Some("shared-cpu-2x".into()),
        memory: Some("1gb".into()),
        ..VmOverrides::default()
    };
    let with = |text: &str, existing: Option<&MachineConfig>| {
        let mut config = config(text);
        config.set_default_guest(&flags).unwrap();
        let guest = config.machine_config("app", "i", existing).unwrap().guest;
        serde_json::to_value(guest).unwrap()
    };
    assert_eq!(with("", None), json!({"cpu_kind": "shared", "cpus": 2, "memory_mb": 1024}));
    assert_eq!(
        with("[[vm]]\ncpus = 4\nmemory = '1gb'", None),
        json!({"cpu_kind": "shared", "cpus": 4, "memory_mb": 1024})
    );
    assert_eq!(with("", Some(&MachineConfig::default())), Value::Null);
}

#[test]
fn a_size_by_flags_is_looked_at_as_one_in_the_file_is() {
    let none = VmOverrides::default;
    for (flags, told) in [
        (VmOverrides { size: Some("big".into()), ..none() }, "`--vm-size`: `big` is an invalid"),
        (VmOverrides { cpus: Some(0), ..none() }, "`--vm-cpus`: it must be above 0"),
        (VmOverrides { cpu_kind: Some("fast".into()), ..none() }, "`--vm-cpu-kind`: `fast` is not"),
        (VmOverrides { memory: Some("0".into()), ..none() }, "`--vm-memory`: `0` is less than"),
        (VmOverrides { memory: Some("lots".into()), ..none() }, "`--vm-memory`: `lots` is no size"),
        (VmOverrides { max_memory: Some("x".into()), ..none() }, "`--vm-max-memory`: `x` is no"),
    ] {
        let error = config("").set_default_guest(&flags).unwrap_err();
        let wanted = format!("the command line: {told}");
        assert!(error.to_string().starts_with(&wanted), "{error}");
    }
}
