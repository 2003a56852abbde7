//! Reading a plan, and refusing what is not known to give the script's bytes.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use serde::Deserialize;

use super::super::Error;
use super::json::Members;
use super::layer::{CustomisationLayer, PlanLayer, StoreLayer};
use super::time::Moment;
use crate::layer::{PythonOwner, PythonTar};
use crate::nix::StorePath;

/// The largest plan that is read, in bytes: one of 10,000 store paths has one megabyte.
const MAX_BYTES: u64 = 16 << 20;

/// A layer plan, of which the script's image can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::source) struct Plan {
    path: PathBuf,
    architecture: String,
    pub(super) container_config: Members,
    from_image: Option<PathBuf>,
    pub(super) store_layers: Vec<Vec<StorePath>>,
    /// As the plan has it, for the history.
    pub(super) customisation_path: String,
    customisation: CustomisationLayer,
    pub(super) created: String,
    owner: Arc<PythonOwner>,
    format: PythonTar,
}

/// A plan as it is written. `os` and `variant` may be there too; the script reads neither.
#[derive(Deserialize)]
struct Conf {
    architecture: String,
    config: Members,
    store_dir: String,
    from_image: Option<String>,
    store_layers: Vec<Vec<String>>,
    customisation_layer: String,
    created: String,
    #[serde(flatten)]
    since_2024: Owner,
}

/// What plans say since nixpkgs lets one choose owner and time.
#[derive(Deserialize)]
struct Owner {
    mtime: Option<String>,
    uid: Option<Number>,
    gid: Option<Number>,
    uname: Option<String>,
    gname: Option<String>,
}

/// A number; nixpkgs writes it as a string.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Number(u32),
    Text(String),
}

impl Number {
    fn value(&self) -> Option<u32> {
        match self {
            Self::Number(value) => Some(*value),
            Self::Text(text) => text.parse().ok(),
        }
    }
}

impl Plan {
    /// Reads the plan in `conf`, of which no script is known.
    ///
    /// A plan that has an `mtime` was made by a nixpkgs of 2024 or later, whose Python is
    /// 3.11 or later: so its tars are those of [`PythonTar::Pax`].
    ///
    /// # Errors
    ///
    /// Fails when the file cannot be read or is no plan, and when its layers are not known
    /// to be those of the script; the error says why.
    pub(in crate::source) fn read(conf: &Path) -> Result<Self, Error> {
        Self::parse(conf, &read_bytes(conf)?, PythonTar::Pax, SystemTime::now())
    }

    /// Reads the plan in `text`, whose script writes tars in `format`. `now` is what
    /// `created = "now"` means: a plan that is read once gives one config, where each run
    /// of the script gives another.
    pub(super) fn parse(
        path: &Path,
        text: &[u8],
        format: PythonTar,
        now: SystemTime,
    ) -> Result<Self, Error> {
        let refuse = |problem: String| refuse(path, problem);
        let conf: Conf = serde_json::from_slice(text)
            .map_err(|error| refuse(format!("is not of the expected shape: {error}")))?;
        let Owner {
            mtime: Some(mtime),
            uid: Some(uid),
            gid: Some(gid),
            uname: Some(uname),
            gname: Some(gname),
        } = conf.since_2024
        else {
            return Err(refuse(
                "does not say whose its files are: an older nixpkgs made it".to_owned(),
            ));
        };
        if mtime == "now" {
            let problem = "gives its files the time at which the script runs".to_owned();
            return Err(refuse(problem));
        }
        let odd = |key: &str, value: &str| {
            refuse(format!("has a `{key}` that is not read here: `{}`", value.escape_debug()))
        };
        let mtime_seconds = Moment::parse(&mtime)
            .and_then(|time| time.seconds)
            .ok_or_else(|| odd("mtime", &mtime))?;
        let created = match conf.created.as_str() {
            "now" => Moment::at(now),
            text => Moment::parse(text).ok_or_else(|| odd("created", text))?,
        };
        let (Some(uid), Some(gid)) = (uid.value(), gid.value()) else {
            return Err(refuse("has a `uid` or `gid` that is no number".to_owned()));
        };

        let store_path = |text: String| {
            let inside = text.strip_prefix(&conf.store_dir).and_then(|rest| rest.strip_prefix('/'));
            inside
                .filter(|name| !name.contains('/'))
                .and_then(|_| text.parse().ok())
                .ok_or_else(|| odd("store_layers", &text))
        };
        let store_layers = conf.store_layers.into_iter().map(|paths| {
            paths.into_iter().map(store_path).collect::<Result<Vec<StorePath>, Error>>()
        });
        let store_layers = store_layers.collect::<Result<_, Error>>()?;
        if let Some(relative) = [Some(&conf.customisation_layer), conf.from_image.as_ref()]
            .into_iter()
            .flatten()
            .find(|path| !path.starts_with('/'))
        {
            return Err(odd("customisation_layer` or `from_image", relative));
        }
        Ok(Self {
            path: path.to_owned(),
            architecture: conf.architecture,
            container_config: conf.config,
            from_image: conf.from_image.map(PathBuf::from),
            store_layers,
            customisation: CustomisationLayer::find(PathBuf::from(&conf.customisation_layer)),
            customisation_path: conf.customisation_layer,
            created: created.iso,
            owner: Arc::new(PythonOwner { uid, gid, uname, gname, mtime_seconds }),
            format,
        })
    }

    /// Returns the operating system, in Go's words. The script knows only one.
    #[expect(clippy::unused_self, reason = "it is a property of the image")]
    pub(in crate::source) fn os(&self) -> &'static str {
        "linux"
    }

    /// Returns the processor architecture, in Go's words (`amd64`).
    pub(in crate::source) fn architecture(&self) -> &str {
        &self.architecture
    }

    /// Returns the docker archive whose layers come before the plan's own.
    pub(in crate::source) fn base_image(&self) -> Option<&Path> {
        self.from_image.as_deref()
    }

    /// Returns the plan's own layers, lowest first: store paths, then the customisation.
    pub(in crate::source) fn layers(&self) -> Vec<PlanLayer> {
        let stores = self.store_layers.iter().map(|paths| {
            PlanLayer::Store(StoreLayer {
                paths: paths.clone(),
                owner: Arc::clone(&self.owner),
                format: self.format,
            })
        });
        stores.chain([PlanLayer::Customisation(self.customisation.clone())]).collect()
    }

    /// Returns how many layers the plan has of its own.
    pub(super) fn own_layers(&self) -> usize {
        self.store_layers.len() + 1
    }

    pub(super) fn refuse(&self, problem: String) -> Error {
        refuse(&self.path, problem)
    }
}

/// Reads a plan's bytes, and no more of them than a plan can have.
pub(super) fn read_bytes(path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|source| Error::Open { path: path.to_owned(), source })?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(refuse(path, format!("is larger than {} MiB", MAX_BYTES >> 20)));
    }
    Ok(bytes)
}

fn refuse(path: &Path, problem: String) -> Error {
    Error::Plan { path: path.to_owned(), problem }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::{Value, json};

    use super::*;

    const GREETER: &str = "/nix/store/l87fhy0j8gdyvzkdwg5w0kag4asq0q1r-greeter-1.0";

    fn conf() -> Value {
        json!({
            "architecture": "arm64",
            "os": "linux",
            "variant": "v8",
            "config": {"Cmd": ["/bin/greeter"]},
            "store_dir": "/nix/store",
            "from_image": null,
            "store_layers": [[GREETER], []],
            "customisation_layer": "/nix/store/l87fhy0j8gdyvzkdwg5w0kag4asq0q1r-layer",
            "repo_tag": "greeter:1",
            "created": "now",
            "mtime": "1970-01-01T00:00:01+00:00",
            "uid": "0",
            "gid": 100,
            "uname": "root",
            "gname": "users",
        })
    }

    fn parse(conf: &Value) -> Result<Plan, Error> {
        let now = UNIX_EPOCH + Duration::from_millis(1_700_000_000_500);
        Plan::parse(Path::new("x-conf.json"), conf.to_string().as_bytes(), PythonTar::Pax, now)
    }

    #[test]
    fn a_plan_says_what_its_image_is() {
        let plan = parse(&conf()).unwrap();
        assert_eq!((plan.os(), plan.architecture()), ("linux", "arm64"));
        assert_eq!(plan.base_image(), None);
        assert_eq!(plan.created, "2023-11-14T22:13:20.500000+00:00");
        assert_eq!((plan.owner.uid, plan.owner.gid, plan.owner.mtime_seconds), (0, 100, 1));
        let layers = plan.layers();
        assert_eq!(layers.len(), 3);
        assert!(
            matches!(&layers[0], PlanLayer::Store(layer) if layer.store_paths()[0].as_str() == GREETER)
        );
        assert!(matches!(&layers[2], PlanLayer::Customisation(layer)
            if layer.tar().ends_with("l87fhy0j8gdyvzkdwg5w0kag4asq0q1r-layer/layer.tar")));
    }

    #[test]
    fn what_is_not_known_to_give_the_same_bytes_is_refused_with_the_reason() {
        for (key, value, reason) in [
            ("mtime", Value::Null, "an older nixpkgs"),
            ("uname", Value::Null, "an older nixpkgs"),
            ("mtime", json!("now"), "the time at which the script runs"),
            ("mtime", json!("1970-01-01T00:00:01"), "`mtime`"),
            ("created", json!("yesterday\n"), "`created` that is not read here: `yesterday\\n`"),
            ("uid", json!("root"), "no number"),
            ("uid", json!(-1), "expected shape"),
            ("store_layers", json!([["/nix/store/etc"]]), "`/nix/store/etc`"),
            ("store_layers", json!([[format!("{GREETER}/bin")]]), "/bin`"),
            ("store_dir", json!("/nix/stor"), "greeter-1.0`"),
            ("config", json!({"x": 1.5}), "fraction"),
            ("config", json!([]), "expected an object"),
            ("customisation_layer", json!("layer"), "`layer`"),
            ("from_image", json!("base.tar"), "`base.tar`"),
        ] {
            let mut conf = conf();
            conf[key] = value;
            let error = parse(&conf).unwrap_err().to_string();
            assert!(error.contains(reason), "{key}: {error}");
        }
        let error = parse(&json!({"store_layers": []})).unwrap_err().to_string();
        assert!(error.contains("missing field"), "{error}");
    }

    #[test]
    fn a_config_needs_its_base_and_a_diff_id_for_each_layer() {
        let plan = parse(&conf()).unwrap();
        let error = plan.config(None, &[]).unwrap_err().to_string();
        assert!(error.contains("has 3 layers, not 0"), "{error}");
        let mut conf = conf();
        conf["from_image"] = json!("/nix/store/base.tar");
        let error = parse(&conf).unwrap().config(None, &[]).unwrap_err().to_string();
        assert!(error.contains("without the image"), "{error}");
    }
}
