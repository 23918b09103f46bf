//! Stopping and starting a cluster.

use serde_json::json;

use super::cluster::Cluster;
use super::managed_cluster::{failure, settle_pools};
use super::refusal::not_allowed;
use super::scale_set;
use crate::provider::{Answer, Outcome, Reply};
use crate::world::World;
use arm::{ArmError, ResourceId};

/// `POST …/stop`: the machines go, the control plane stops, what is in it stays.
///
/// # Errors
/// `OperationNotAllowed`, with node auto-provisioning in AKS's words; 409 while something else is under way.
pub(super) fn stop(world: &mut World, id: &ResourceId) -> Reply {
    let cluster = Cluster::require(world, id)?;
    if cluster.auto() {
        return Err(not_allowed(
            "Unable to perform 'stopping' operation since the cluster enables \
             .properties.nodeProvisioningProfile.mode 'Auto'",
        ));
    }
    cluster.check_idle()?;
    let (engine, id) = (world.engine(), cluster.id.clone());
    set_state(world, &id, "Stopping")?;
    Ok(Answer::accepted().when(async move {
        let done = match engine {
            Some(engine) => engine.stop(id.as_str()).await,
            None => Ok(()),
        };
        Box::new(move |world: &mut World| {
            if let Err(error) = done {
                set_state(world, &id, "Failed")?;
                return Err(failure(&error));
            }
            scale_set::stop_all(world, &cluster.group(world).id);
            set_power(world, &id, "Stopped")
        }) as Outcome
    }))
}

/// `POST …/start`: the control plane starts, then each pool gets its machines.
///
/// # Errors
/// 409 while something else is under way.
pub(super) fn start(world: &mut World, id: &ResourceId) -> Reply {
    let cluster = Cluster::require(world, id)?;
    cluster.check_idle()?;
    let (engine, id) = (world.engine(), cluster.id.clone());
    set_state(world, &id, "Starting")?;
    Ok(Answer::accepted().when(async move {
        let done = match engine {
            Some(engine) => engine.start(id.as_str()).await,
            None => Ok(()),
        };
        Box::new(move |world: &mut World| {
            if let Err(error) = done {
                set_state(world, &id, "Failed")?;
                return Err(failure(&error));
            }
            set_power(world, &id, "Running")?;
            let cluster = Cluster::require(world, &id)?;
            let fleet = cluster.fleet(world)?;
            for pool in cluster.read_pools()? {
                let machines = fleet.resize(world, &pool)?;
                scale_set::start(world, machines);
            }
            Ok(())
        }) as Outcome
    }))
}

fn set_state(world: &mut World, id: &ResourceId, state: &str) -> Result<(), ArmError> {
    world.resources_mut().require_mut(id)?.set_provisioning_state(state);
    Ok(())
}

fn set_power(world: &mut World, id: &ResourceId, power: &str) -> Result<(), ArmError> {
    let cluster = world.resources_mut().require_mut(id)?;
    cluster.set_provisioning_state("Succeeded");
    cluster.properties_mut().insert("powerState".into(), json!({ "code": power }));
    let pools: Vec<ResourceId> = world.resources().within(id, super::AGENT_POOL).map(|pool| pool.id.clone()).collect();
    for pool in pools {
        world
            .resources_mut()
            .require_mut(&pool)?
            .properties_mut()
            .insert("powerState".into(), json!({ "code": power }));
    }
    settle_pools(world, id, "Succeeded");
    Ok(())
}
