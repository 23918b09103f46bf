//! Where a lab's control planes come from, and with them the time that it lives in.

use crate::clock::{ClockKind, LabClock};
use crate::cluster::embedded::{ApiServerBorrower, ApiServerMaker};
use crate::cluster::pool::{TimeWish, connect};
use crate::process::probe_clock;

use crate::settings::{ClusterSource, Settings};
use crate::target::StartError;

/// The time of a lab that is about to start, and who lends it API servers.
pub(super) async fn enter(settings: &Settings) -> Result<(LabClock, Option<ApiServerBorrower>), StartError> {
    let movable = settings.clock == ClockKind::Movable
        && probe_clock().map_err(|error| tracing::warn!("waits take real time: {error}")).is_ok();
    let stream = match &settings.clusters {
        ClusterSource::Fresh => {
            let clock = if movable { LabClock::movable(settings.begin) } else { Ok(LabClock::real()) };
            return Ok((
                clock.map_err(|source| StartError::io("share memory with the lab's processes", source))?,
                None,
            ));
        }
        ClusterSource::ThisProcess => {
            ApiServerMaker::lender_of_this_process(settings.slots).map_err(StartError::Lender)?.line()
        }
        ClusterSource::Run(name) => connect(name),
    };
    let stream = stream.map_err(|error| StartError::Lender(error.to_string()))?;
    let wish = match (movable, settings.begin) {
        (false, _) => TimeWish::Real,
        (true, None) => TimeWish::Movable,
        (true, Some(begin)) => TimeWish::MovableFrom(begin),
    };
    let entered = ApiServerBorrower::enter(stream, &settings.scenario, wish).await;
    let (borrower, page) = entered.map_err(StartError::Lender)?;
    Ok((LabClock::of(page), Some(borrower)))
}
