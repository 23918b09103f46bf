//! What must hold at the end of every scenario, whatever it was about.

use fake_arm::events::ArmEvent;

use crate::expect::{Witness, disks, nics, vms};
use crate::history::{Event, History};
use crate::lab::ProvisionerKnobs;

/// Checks the whole history of a lab whose scenario has ended well.
///
/// # Errors
/// What is broken, in one sentence or a few lines.
pub(super) fn check(history: &History, witness: &Witness, knobs: &ProvisionerKnobs) -> Result<(), String> {
    if let Some(reason) = witness.fatal() {
        return Err(reason.to_owned());
    }
    let records = history.since(0);
    for record in &records {
        match &record.event {
            Event::Azure { what: ArmEvent::Request(entry) } if entry.unknown_route => {
                let query = if entry.query.is_empty() { String::new() } else { format!("?{}", entry.query) };
                return Err(format!(
                    "a request went to a route that fake-arm does not serve: {} {}{query} ({}); a provider for it is \
                     missing in fake-arm/src/providers",
                    entry.method, entry.path, entry.user_agent,
                ));
            }
            Event::Provisioner { level, message, .. } if level == "panic" && !knobs.expects_panic(message) => {
                return Err(format!("the provisioner panicked: {message}"));
            }
            _ => {}
        }
    }
    // What the provisioner made must belong to a node claim, at the end of each scenario.
    for kind in [vms(), nics(), disks()] {
        let owned = kind.leaked().none();
        if owned.evaluate(&witness.state()).is_err() {
            witness.expect(owned).now().map_err(|failure| {
                // The failure is told as this invariant's, with its own time line.
                failure.text().lines().take(2).collect::<Vec<_>>().join("\n")
            })?;
        }
    }
    Ok(())
}
