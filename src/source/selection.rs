//! Choosing one image among those of an archive or folder.

use std::path::Path;

use super::Error;

/// One image of several.
#[derive(Debug)]
pub(super) struct Candidate<T> {
    /// What it is called, such as `web:latest`.
    pub(super) names: Vec<String>,
    /// What to call it for people when it has no name.
    pub(super) otherwise: String,
    pub(super) image: T,
}

impl<T> Candidate<T> {
    /// Returns whether `name` is one of its names: whole, without its host, without its tag,
    /// or the tag alone.
    fn is_called(&self, name: &str) -> bool {
        self.otherwise == name
            || self.names.iter().any(|own| {
                let (repository, tag) = match own.rsplit_once(':') {
                    Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
                    _ => (own.as_str(), None),
                };
                let ends_so = |text: &str| {
                    text.strip_suffix(name)
                        .is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
                };
                tag == Some(name) || ends_so(own) || ends_so(repository)
            })
    }
}

/// Returns the image that is called `name`, or without one the only image.
///
/// # Errors
///
/// Fails when there is none, or when more than one is meant.
pub(super) fn select<T>(
    path: &Path,
    member: &str,
    mut candidates: Vec<Candidate<T>>,
    name: Option<&str>,
) -> Result<T, Error> {
    if candidates.is_empty() {
        let (path, member) = (path.to_owned(), member.to_owned());
        return Err(Error::Member { path, member, problem: "names no image".to_owned() });
    }
    let names = |candidates: &[Candidate<T>]| {
        let name = |one: &Candidate<T>| one.names.first().unwrap_or(&one.otherwise).clone();
        candidates.iter().map(name).collect()
    };
    if let Some(name) = name {
        let all = names(&candidates);
        candidates.retain(|candidate| candidate.is_called(name));
        if candidates.is_empty() {
            let (path, name) = (path.to_owned(), name.to_owned());
            return Err(Error::NoSuchImage { path, name, names: all });
        }
    }
    if candidates.len() > 1 {
        return Err(Error::SeveralImages { path: path.to_owned(), names: names(&candidates) });
    }
    candidates.pop().map(|one| one.image).ok_or_else(|| Error::NoManifest { path: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(names: &[&str]) -> Vec<Candidate<usize>> {
        let candidate = |(image, name): (usize, &&str)| Candidate {
            names: vec![(*name).to_owned()],
            otherwise: format!("id{image}"),
            image,
        };
        names.iter().enumerate().map(candidate).collect()
    }

    fn chosen(names: &[&str], name: Option<&str>) -> Result<usize, String> {
        let result = select(Path::new("a.tar"), "manifest.json", candidates(names), name);
        result.map_err(|error| error.to_string())
    }

    #[test]
    fn an_image_is_found_by_any_part_of_its_name() {
        let names = ["registry.fly.io/web:v1", "registry.fly.io/worker:v2"];
        for name in ["registry.fly.io/worker:v2", "worker:v2", "worker", "v2", "id1"] {
            assert_eq!(chosen(&names, Some(name)), Ok(1), "{name}");
        }
        assert!(chosen(&names, Some("ker:v2")).unwrap_err().contains("worker:v2"));
    }

    #[test]
    fn several_images_are_listed_and_none_is_guessed() {
        assert_eq!(chosen(&["web:1"], None), Ok(0));
        let error = chosen(&["web:1", "web:2"], None).unwrap_err();
        assert!(error.ends_with("2 images: web:1, web:2"), "{error}");
        assert!(chosen(&["web:1", "web:2"], Some("web")).is_err());
        assert!(chosen(&[], None).is_err());
    }
}
