//! A plan as people read it.

use super::Preview;
use super::difference::Difference;
use crate::cli::report::plural;
use crate::rollout::{Change, Create, Existing, Plan, Spare, VolumeSource};

/// Returns the lines about one app.
pub(super) fn text(preview: &Preview) -> String {
    let Preview { app, strategy, plan, .. } = preview;
    let image = preview.image.as_deref().unwrap_or("an image that is not built yet");
    let mut lines = Vec::new();
    if plan.is_empty() {
        let unchanged = plan.unchanged.len();
        let machines = format!("{unchanged} {}", plural(unchanged, "machine"));
        lines.push(format!("app `{app}` runs {image} already: {machines} unchanged"));
    } else {
        lines.push(format!("app `{app}`: {strategy} deploy of {image}"));
    }
    provisions(plan, &mut lines);
    for canary in &plan.canaries {
        let place = in_region(Some(&canary.region));
        lines.push(format!("+ a machine [{}] tries the image first{place}", canary.group));
    }
    for (place, create) in plan.creates.iter().enumerate() {
        lines.push(create_line(create));
        indent(preview.differences.creates.get(place), &mut lines);
    }
    for change in plan.all_changes() {
        let differences = preview.differences.changes.get(&change.from().id);
        lines.push(change_line(change));
        if differences.is_some_and(Vec::is_empty) {
            lines.push(format!("    only its state is wrong: {}", change.from().state));
        }
        indent(differences, &mut lines);
    }
    for machine in &plan.destroys {
        lines.push(format!("- {} is destroyed: fly.toml has no such group", name(machine)));
    }
    for left in &plan.left_alone {
        lines.push(format!("! machine {} is left as it is: {}", left.machine, left.reason));
    }
    if !plan.is_empty() {
        lines.extend(plan.unchanged.iter().map(|m| format!("= {} is unchanged", name(m))));
    }
    lines.join("\n")
}

fn provisions(plan: &Plan, lines: &mut Vec<String>) {
    for kind in &plan.addresses {
        lines.push(format!("+ an address ({})", kind.as_str()));
    }
    if plan.unpaid_address {
        lines.push("! no address: the services need a dedicated one, and `--yes` agrees".into());
    }
    for volume in &plan.volumes {
        let place = in_region(volume.region.as_deref());
        lines.push(format!("+ a volume `{}` of {} GB{place}", volume.name, volume.size_gb));
    }
}

fn create_line(create: &Create) -> String {
    let place = in_region(create.region.as_deref());
    let volume = match &create.volume {
        VolumeSource::None => String::new(),
        VolumeSource::Free(id) => format!(", with volume {id}"),
        VolumeSource::New => ", with the new volume".to_owned(),
    };
    let spare = match create.spare {
        None => "",
        Some(Spare::Second) => ", and a second one",
        Some(Spare::Standby) => ", and a standby for it",
    };
    format!("+ a machine [{}] is created{place}{volume}{spare}", create.group)
}

fn change_line(change: &Change) -> String {
    let machine = name(change.from());
    let stays = if change.skip_launch() {
        format!(", and stays {}", change.from().state)
    } else {
        String::new()
    };
    match change {
        Change::Update(_) => format!("~ {machine} is updated{stays}"),
        Change::Replace(replace) => {
            format!("~ {machine} is replaced{stays}: {}", replace.reason)
        }
    }
}

fn name(machine: &Existing) -> String {
    format!("machine {} [{}]{}", machine.id, machine.group, in_region(Some(&machine.region)))
}

fn in_region(region: Option<&str>) -> String {
    let known = region.filter(|region| !region.is_empty());
    known.map(|region| format!(" in {region}")).unwrap_or_default()
}

fn indent(differences: Option<&Vec<Difference>>, lines: &mut Vec<String>) {
    lines.extend(differences.into_iter().flatten().map(|difference| format!("    {difference}")));
}
