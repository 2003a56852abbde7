//! What is set beyond the file, by flags.

use std::path::PathBuf;

use crate::fly::wire;
use crate::fly::wire::Guest;

use super::convert::{encode, memory, merge, read_beside, sized_by};
use super::model::{Deploy, Document, Vm};
use super::problem::Fault;
use super::{AppConfig, Error, MaxUnavailable, Strategy};

/// What stands for the file in errors about flags.
const FLAGS: &str = "the command line";

/// The size of new machines for which the file has no `[[vm]]`: what is given replaces a part
/// of the default size, `shared-cpu-1x`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VmOverrides {
    /// The name of a size, such as `shared-cpu-2x`.
    pub size: Option<String>,
    /// The number of CPUs.
    pub cpus: Option<u64>,
    /// `shared` or `performance`.
    pub cpu_kind: Option<String>,
    /// Memory, in MiB or with a unit, such as `1gb`.
    pub memory: Option<String>,
    /// The most memory that a machine may grow to, in MiB or with a unit.
    pub max_memory: Option<String>,
    /// The dedicated host that machines must be on.
    pub host_dedication_id: Option<String>,
}

/// What a file in the machines holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileContent {
    /// The content of a file here.
    Local(PathBuf),
    /// This text.
    Text(String),
    /// The secret of this name, which holds the content in base64.
    Secret(String),
}

impl AppConfig {
    /// Sets a variable beyond those of the file, or another value for one of them.
    pub fn set_env(&mut self, name: &str, value: &str) {
        self.document.env.insert(name.to_owned(), value.to_owned());
        self.define();
    }

    /// Takes another primary region than the file names.
    pub fn set_primary_region(&mut self, region: &str) {
        region.clone_into(&mut self.document.primary_region);
        self.define();
    }

    /// Takes another strategy than the file names. Whether it is possible for the groups
    /// that are deployed, [`AppConfig::check_groups`] tells.
    pub fn set_strategy(&mut self, strategy: Strategy) {
        self.strategy = Some(strategy);
        self.deploy().strategy = strategy.to_string();
        self.define();
    }

    /// Takes another number of machines that may be changed at once.
    pub fn set_max_unavailable(&mut self, max: MaxUnavailable) {
        #[expect(clippy::cast_precision_loss, reason = "nobody has so many machines")]
        let number = match max {
            MaxUnavailable::Count(count) => count as f64,
            MaxUnavailable::Part(part) => part,
        };
        self.deploy().max_unavailable = Some(number);
        self.define();
    }

    /// Adds a file to all machines, in the place of one of the same path.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when a local file cannot be read.
    pub fn add_file(&mut self, guest_path: &str, content: &FileContent) -> Result<(), Error> {
        let mut file = wire::File { guest_path: guest_path.to_owned(), ..wire::File::default() };
        match content {
            FileContent::Local(path) => {
                let here = Some(std::path::Path::new(""));
                let content = read_beside(here, &path.to_string_lossy())
                    .map_err(|reason| refused(Fault::of("--file-local", reason)))?;
                file.raw_value = Some(encode(&content));
            }
            FileContent::Text(text) => file.raw_value = Some(encode(text.as_bytes())),
            FileContent::Secret(name) => file.secret_name = Some(name.clone()),
        }
        merge(&mut self.files, file);
        Ok(())
    }

    /// Takes another size for new machines of groups for which the file has none.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when a part of it is no size, or zero.
    pub fn set_default_guest(&mut self, vm: &VmOverrides) -> Result<(), Error> {
        self.new_guest = Some(guest(vm).map_err(refused)?);
        Ok(())
    }

    /// Returns the size of new machines of groups for which the file has none:
    /// `shared-cpu-1x`, unless another was set.
    pub fn default_guest(&self) -> Guest {
        let mut guest = self.new_guest.clone().unwrap_or_else(smallest);
        let dedicated = &self.document.host_dedication_id;
        if !dedicated.is_empty() {
            guest.host_dedication_id = Some(dedicated.clone());
        }
        guest
    }

    fn deploy(&mut self) -> &mut Deploy {
        self.document.deploy.get_or_insert_default()
    }

    /// Writes down what a release records.
    pub(super) fn define(&mut self) {
        // All names are texts, so nothing fails.
        self.definition = serde_json::to_value(&self.document).unwrap_or_default();
    }
}

fn smallest() -> Guest {
    sized_by(&Vm::default(), "", &Document::default()).unwrap_or_default()
}

fn guest(overrides: &VmOverrides) -> Result<Guest, Fault> {
    let VmOverrides { size, cpus, cpu_kind, memory: ram, max_memory, host_dedication_id } =
        overrides;
    let zero = |flag: &str| Fault::of(flag, "it must be above 0");
    if *cpus == Some(0) {
        return Err(zero("--vm-cpus"));
    }
    if let Some(kind) = cpu_kind
        && !matches!(kind.as_str(), "shared" | "performance")
    {
        let reason = format!("`{kind}` is not one of `shared`, `performance`");
        return Err(Fault::of("--vm-cpu-kind", reason));
    }
    let mebibytes = |size: &Option<String>, flag: &str| match size {
        Some(size) => memory(size, flag),
        None => Ok(0),
    };
    let vm = Vm {
        size: size.clone().unwrap_or_default(),
        cpus: cpus.unwrap_or_default(),
        cpu_kind: cpu_kind.clone().unwrap_or_default(),
        memory_mb: mebibytes(ram, "--vm-memory")?,
        max_memory_mb: mebibytes(max_memory, "--vm-max-memory")?,
        host_dedication_id: host_dedication_id.clone().unwrap_or_default(),
        ..Vm::default()
    };
    sized_by(&vm, "--vm", &Document::default())
        .map_err(|fault| Fault { key: fault.key.replace('.', "-"), ..fault })
}

fn refused(fault: Fault) -> Error {
    Error::Invalid { origin: FLAGS.to_owned(), problems: vec![fault.told(None)] }
}
