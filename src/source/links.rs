//! Names and links inside an archive.

use std::collections::BTreeMap;

/// The most links that are followed from one name.
const MAX_HOPS: usize = 16;

/// Makes a member's name comparable: no `.`, no empty parts, `..` taken back inside the
/// archive.
pub(super) fn clean_name(name: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The links of an archive, by the cleaned name of the link.
#[derive(Debug, Default)]
pub(super) struct Links(BTreeMap<String, String>);

impl Links {
    /// Notes a symbolic link, whose target is relative to its folder.
    pub(super) fn symbolic(&mut self, name: &str, target: &str) {
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        let target = match target.strip_prefix('/') {
            Some(absolute) => clean_name(absolute),
            None => clean_name(&format!("{folder}/{target}")),
        };
        self.0.insert(name.to_owned(), target);
    }

    /// Notes a hard link, whose target is a member's name.
    pub(super) fn hard(&mut self, name: &str, target: &str) {
        self.0.insert(name.to_owned(), clean_name(target));
    }

    /// Returns the name that `name` leads to, or nothing when links run in a circle.
    pub(super) fn resolve<'a>(&'a self, mut name: &'a str) -> Option<&'a str> {
        for _ in 0..MAX_HOPS {
            match self.0.get(name) {
                Some(target) => name = target,
                None => return Some(name),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_inside_the_archive_and_do_not_run_in_circles() {
        let mut links = Links::default();
        links.symbolic("b/layer.tar", "../a/layer.tar");
        links.hard("c/layer.tar", "./b/layer.tar");
        links.symbolic("d/layer.tar", "../../../etc/passwd");
        links.symbolic("x", "y");
        links.symbolic("y", "x");
        assert_eq!(links.resolve("c/layer.tar"), Some("a/layer.tar"));
        assert_eq!(links.resolve("d/layer.tar"), Some("etc/passwd"));
        assert_eq!(links.resolve("x"), None);
    }
}
