//! Rules for sizes of machines.

use crate::fly::config::convert::{out_of_bounds, release_guest, sized_by};
use crate::fly::config::model::Document;

use super::{Findings, Unknown};

pub(super) fn look(findings: &mut Findings, document: &Document) {
    for (n, vm) in document.vm.iter().enumerate() {
        let key = format!("vm[{n}]");
        match sized_by(vm, &key, document) {
            Err(fault) => findings.faults.push(fault),
            Ok(guest) => {
                if let Some(text) = out_of_bounds(&guest) {
                    findings.note("config.guest-out-of-bounds", &key, text);
                }
            }
        }
        findings.groups(&format!("{key}.processes"), &vm.processes, document, Unknown::Note);
    }
    findings.faults.extend(release_guest(document).err());
}
