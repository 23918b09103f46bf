//! What must hold at the end of every scenario, whatever it was about.

use crate::expect::{Witness, disks, nics, vms};
use crate::history::{AzureEvent, Event, History};
use crate::target::ProvisionerControl;

/// Checks the whole history of a lab whose scenario has ended well.
///
/// # Errors
/// What is broken, in one sentence or a few lines.
pub(super) fn check(
    history: &History,
    witness: &Witness,
    provisioner: Option<&ProvisionerControl>,
) -> Result<(), String> {
    let is_expected = |panic: &str| provisioner.is_some_and(|provisioner| provisioner.expects_panic(panic));
    if let Some(reason) = witness.fatal() {
        return Err(reason.to_owned());
    }
    let records = history.since(0);
    for record in &records {
        match &record.event {
            Event::Azure { what: AzureEvent::Request(entry) } if entry.unknown_route => {
                let query = if entry.query.is_empty() { String::new() } else { format!("?{}", entry.query) };
                return Err(format!(
                    "a request went to a route that fake-arm does not serve: {} {}{query} ({}); a provider for it is \
                     missing in fake-arm/src/providers",
                    entry.method, entry.path, entry.user_agent,
                ));
            }
            Event::Provisioner { level, message, .. } if level == "panic" && !is_expected(message) => {
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
