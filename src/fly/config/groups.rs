//! Which of the file's parts belong to which process group.

use super::AppConfig;
use super::model::Document;

/// The name of the only group when there is no `[processes]`.
const ONLY: &str = "app";

impl AppConfig {
    /// Returns the names of the process groups, sorted.
    pub fn groups(&self) -> Vec<String> {
        self.document.groups()
    }

    /// Returns the group that machines without one are taken for.
    pub fn default_group(&self) -> String {
        self.document.default_group()
    }
}

impl Document {
    pub(super) fn groups(&self) -> Vec<String> {
        if self.processes.is_empty() {
            return vec![ONLY.to_owned()];
        }
        self.processes.keys().cloned().collect()
    }

    /// `app` if there is such a group, else the first.
    pub(super) fn default_group(&self) -> String {
        match self.processes.keys().next() {
            Some(first) if !self.processes.contains_key(ONLY) => first.clone(),
            _ => ONLY.to_owned(),
        }
    }

    /// Returns whether what names `processes` belongs to `group`: what names none belongs
    /// to the default group alone.
    pub(super) fn belongs(&self, processes: &[String], group: &str) -> bool {
        if processes.is_empty() {
            return group == self.default_group();
        }
        processes.iter().any(|name| name == group)
    }
}
