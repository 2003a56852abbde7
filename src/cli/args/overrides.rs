//! What is set over fly.toml.

use std::path::PathBuf;

use crate::fly::config::{AppConfig, Error, FileContent, VmOverrides};

/// What is set over fly.toml.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct OverrideArgs {
    /// Set a variable in the machines' environment, over fly.toml; may be repeated
    #[arg(
        short = 'e', long = "env", value_name = "NAME=VALUE", value_parser = variable,
        help_heading = "Configuration"
    )]
    pub(in crate::cli) variables: Vec<(String, String)>,
    /// Where new machines and volumes are made, over fly.toml
    #[arg(
        long,
        value_name = "REGION",
        env = "SNOWBIRD_PRIMARY_REGION",
        hide_env_values = true,
        help_heading = "Configuration"
    )]
    pub(in crate::cli) primary_region: Option<String>,
    /// Write a file of this machine to PATH in each machine; may be repeated
    #[arg(
        long = "file-local", value_name = "PATH=FILE", value_parser = file,
        help_heading = "Configuration"
    )]
    pub(in crate::cli) local_files: Vec<(String, String)>,
    /// Write a text to PATH in each machine; may be repeated
    #[arg(
        long = "file-literal", value_name = "PATH=TEXT", value_parser = file,
        help_heading = "Configuration"
    )]
    pub(in crate::cli) literal_files: Vec<(String, String)>,
    /// Write what the app's secret holds in base64 to PATH in each machine; may be repeated
    #[arg(
        long = "file-secret", value_name = "PATH=SECRET", value_parser = file,
        help_heading = "Configuration"
    )]
    pub(in crate::cli) secret_files: Vec<(String, String)>,
    #[command(flatten)]
    pub(in crate::cli) vm: VmArgs,
}

/// The size of new machines.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct VmArgs {
    /// The size of new machines, such as `shared-cpu-2x`, where fly.toml has no `[[vm]]` for them
    /// [default: shared-cpu-1x]
    #[arg(
        long,
        value_name = "NAME",
        env = "SNOWBIRD_VM_SIZE",
        hide_env_values = true,
        help_heading = "New machines"
    )]
    pub(in crate::cli) vm_size: Option<String>,
    /// The number of their CPUs
    #[arg(
        long,
        value_name = "NUMBER",
        env = "SNOWBIRD_VM_CPUS",
        hide_env_values = true,
        help_heading = "New machines"
    )]
    pub(in crate::cli) vm_cpus: Option<u64>,
    /// The kind of their CPUs: `shared` or `performance`
    #[arg(
        long,
        value_name = "KIND",
        env = "SNOWBIRD_VM_CPU_KIND",
        hide_env_values = true,
        help_heading = "New machines"
    )]
    pub(in crate::cli) vm_cpu_kind: Option<String>,
    /// Their memory in MiB, or with a unit, such as `1gb`
    #[arg(
        long,
        value_name = "SIZE",
        env = "SNOWBIRD_VM_MEMORY",
        hide_env_values = true,
        help_heading = "New machines"
    )]
    pub(in crate::cli) vm_memory: Option<String>,
    /// The most memory that they may grow to, in MiB or with a unit
    #[arg(
        long,
        value_name = "SIZE",
        env = "SNOWBIRD_VM_MAX_MEMORY",
        hide_env_values = true,
        help_heading = "New machines"
    )]
    pub(in crate::cli) vm_max_memory: Option<String>,
    /// The dedicated host that they must be on
    #[arg(
        long,
        value_name = "ID",
        env = "SNOWBIRD_HOST_DEDICATION_ID",
        hide_env_values = true,
        help_heading = "New machines"
    )]
    pub(in crate::cli) host_dedication_id: Option<String>,
}

impl OverrideArgs {
    /// Sets it.
    ///
    /// # Errors
    ///
    /// Fails when a file cannot be read, or what was typed is no size.
    pub(in crate::cli) fn apply(&self, config: &mut AppConfig) -> Result<(), Error> {
        for (name, value) in &self.variables {
            config.set_env(name, value);
        }
        if let Some(region) = &self.primary_region {
            config.set_primary_region(region);
        }
        for (path, file) in &self.local_files {
            config.add_file(path, &FileContent::Local(PathBuf::from(file)))?;
        }
        for (path, text) in &self.literal_files {
            config.add_file(path, &FileContent::Text(text.clone()))?;
        }
        for (path, secret) in &self.secret_files {
            config.add_file(path, &FileContent::Secret(secret.clone()))?;
        }
        let vm = self.vm.overrides();
        if vm != VmOverrides::default() {
            config.set_default_guest(&vm)?;
        }
        Ok(())
    }
}

impl VmArgs {
    fn overrides(&self) -> VmOverrides {
        VmOverrides {
            size: self.vm_size.clone(),
            cpus: self.vm_cpus,
            cpu_kind: self.vm_cpu_kind.clone(),
            memory: self.vm_memory.clone(),
            max_memory: self.vm_max_memory.clone(),
            host_dedication_id: self.host_dedication_id.clone(),
        }
    }
}

fn variable(text: &str) -> Result<(String, String), String> {
    pair(text).ok_or_else(|| "write it as NAME=VALUE".to_owned())
}

fn file(text: &str) -> Result<(String, String), String> {
    let absolute = pair(text).filter(|(path, _)| path.starts_with('/'));
    absolute.ok_or_else(|| "write it as /PATH/IN/THE/MACHINE=WHAT".to_owned())
}

fn pair(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty())?;
    Some((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        overrides: OverrideArgs,
    }

    fn machine(typed: &[&str], text: &str) -> serde_json::Value {
        let (mut config, _) = AppConfig::parse(text, Path::new("fly.toml")).unwrap();
        let line = Line::try_parse_from(["x"].iter().chain(typed)).unwrap();
        line.overrides.apply(&mut config).unwrap();
        serde_json::to_value(config.machine_config("app", "r/web:t", None).unwrap()).unwrap()
    }

    #[test]
    fn what_is_typed_reaches_the_machines() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("motd");
        std::fs::write(&file, "hello").unwrap();
        let local = format!("--file-local=/etc/motd={}", file.display());
        let typed = [
            "-e",
            "A=1=2",
            "--primary-region=ams",
            &local,
            "--file-literal=/etc/note=a=b",
            "--file-secret=/etc/key=KEY",
        ];
        let machine = machine(&typed, "[env]\nA = '0'\nB = '0'\n");
        assert_eq!((&machine["env"]["A"], &machine["env"]["B"]), (&"1=2".into(), &"0".into()));
        assert_eq!(machine["env"]["PRIMARY_REGION"], "ams");
        let files = machine["files"].as_array().unwrap();
        for (path, content) in [
            ("/etc/motd", ("raw_value", "aGVsbG8=")),
            ("/etc/note", ("raw_value", "YT1i")),
            ("/etc/key", ("secret_name", "KEY")),
        ] {
            let file = files.iter().find(|file| file["guest_path"] == path).unwrap();
            assert_eq!(file[content.0], content.1);
        }
    }

    #[test]
    fn a_size_is_for_new_machines_without_one_in_the_file() {
        let typed = ["--vm-size=performance-2x", "--vm-memory=8gb"];
        let guest = machine(&typed, "")["guest"].clone();
        assert_eq!((&guest["cpus"], &guest["memory_mb"]), (&2.into(), &8192.into()));
        let guest = machine(&typed, "[[vm]]\nsize = 'shared-cpu-4x'\n")["guest"].clone();
        assert_eq!(guest["cpus"], 4);
    }

    #[test]
    fn what_is_no_pair_is_refused() {
        for typed in ["-e=A", "-e==1", "--file-local=etc/motd=x", "--file-secret=/etc/motd"] {
            assert!(Line::try_parse_from(["x", typed]).is_err(), "{typed}");
        }
    }
}
