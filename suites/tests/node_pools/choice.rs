//! Which of the sizes that fit is taken: the cheapest, the reserved ones alone, spot before on-demand.

use catnap::prelude::*;
use suites::versions::{has_the_prices_of_the_catalog, told_that_no_size_is_left};

use super::offer::{Machine, requires};
use super::*;

/// NP-29, NP-42: the cheapest size that holds the pending pod is taken, whatever the pod's size.
#[scenario]
#[case::one_cpu(1)]
#[case::seven_cpus(7)]
#[case::sixty_cpus(60)]
async fn the_cheapest_size_that_holds_the_pod_is_taken(lab: &Lab, #[case] cpus: u32) -> Outcome {
    has_the_prices_of_the_catalog(lab)?;
    let pool = any_size("p").requirement(ARCH, "In", &["amd64"]);
    let cluster = cluster_with(lab, &[("p", pool)]).await?;

    cluster.apply(deployment("web").cpu(&cpus.to_string()).on_pool("p")).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;

    // A node keeps part of a CPU for itself and never a whole one more.
    let holds = |size: &VmSize| size.vcpus > cpus && offer::fact(size, ARCH).as_deref() == Some("amd64");
    let cheapest = offer::cheapest(lab.require::<Region>()?, holds);
    let machine = Machine::of_pool(lab, &cluster, "p")?;
    lab.verify(&format!("a {} holds the pod", machine.size.name), true, holds(machine.size))?;
    lab.verify(
        &format!("the price of a {}", machine.size.name),
        cheapest,
        offer::price(lab.require::<Region>()?, machine.size),
    )
}

/// NP-42: a mixed load costs no more than a machine of its own for each pod would, and is spread over fewer machines than
/// it has pods.
#[scenario]
async fn a_mixed_load_costs_no_more_than_a_machine_for_each_pod(lab: &Lab) -> Outcome {
    has_the_prices_of_the_catalog(lab)?;
    let pool = any_size("p").requirement(ARCH, "In", &["amd64"]).consolidate_after("0s");
    let cluster = cluster_with(lab, &[("p", pool)]).await?;
    let load = [("small", 6, 0.5, 1.0), ("middle", 3, 1.5, 6.0), ("lean", 1, 3.0, 2.0), ("fat", 1, 0.5, 24.0)];

    for (name, replicas, cpus, gib) in load {
        let web = deployment(name).replicas(replicas).cpu(&format!("{cpus}")).memory(&format!("{gib}Gi"));
        cluster.apply(web.on_pool("p")).await?;
    }
    for (name, ..) in load {
        cluster.expect(pods(name).all_running()).within(minutes(5)).await?;
    }

    let machines = Machine::all_of_pool(lab, &cluster, "p")?;
    let region = lab.require::<Region>()?;
    let paid: f64 = machines.iter().map(|machine| offer::price(region, machine.size)).sum();
    // Three GiB are more than a node of this size keeps for itself.
    let alone = |cpus: f64, gib: f64| {
        offer::cheapest(region, |size| {
            let holds = f64::from(size.vcpus) > cpus && size.memory_gib * 0.9 - 3.0 > gib;
            holds && offer::fact(size, ARCH).as_deref() == Some("amd64")
        })
    };
    let bound: f64 = load.iter().map(|(_, replicas, cpus, gib)| f64::from(*replicas) * alone(*cpus, *gib)).sum();
    lab.verify(&format!("{paid:.4} USD an hour are at most {bound:.4}"), true, paid <= bound)?;
    let pods: u32 = load.iter().map(|(_, replicas, ..)| *replicas).sum();
    lab.verify(&format!("{} machines are fewer than {pods}", machines.len()), true, machines.len() < pods as usize)
}

/// NP-30: sizes of one's own, reserved ones for example, can be made the only choice: where Azure has none of them, pods
/// stay pending, and it is said why. When it has them again, the pods run.
#[scenario]
async fn a_pool_of_one_size_has_no_other(lab: &Lab) -> Outcome {
    lab.wait_of(hours(24))?;
    let size = "Standard_D4as_v5";
    let pool = node_pool("p").requirement(SKU_NAME, "In", &[size]).consolidate_after("Never");
    let cluster = cluster_with(lab, &[("p", pool)]).await?;
    let mark = cluster.mark();
    cluster.apply(deployment("first").cpu("3").on_pool("p")).await?;
    cluster.expect(pods("first").all_running()).within(minutes(5)).await?;

    lab.require::<Region>()?.exhaust_capacity(size, ShortageKind::SkuNotAvailable);
    cluster.apply(deployment("second").cpu("3").on_pool("p")).await?;
    // Its size, remembered as not available, is no choice any more: no node claim is made, and that is told.
    let pod_is_told = events("FailedScheduling").about(Kind::Pod).named("second").saying(NOT_SCHEDULED).seen();
    cluster.expect(told_that_no_size_is_left(lab, pod_is_told, "p")).within(minutes(10)).await?;
    cluster.expect(pods("second").pending(1)).throughout(LONG_ENOUGH).await?;

    // For 23 hours the size is not tried.
    lab.require::<Region>()?.restore_capacity();
    cluster.expect(pods("second").all_running()).within(hours(24)).await?;
    cluster.expect(nodes().of_pool("p").all_of_size(&[size])).now()?;
    cluster.expect(vms().of_pool("p").at_most(2)).at_every_instant_since(&mark)
}

/// NP-31: spot and on-demand, and several architectures, can be named in one pool: spot is preferred where it is allowed,
/// and the architecture follows the pod.
#[scenario]
async fn a_pool_of_both_kinds_prefers_spot_and_follows_the_pods_architecture(lab: &Lab) -> Outcome {
    let pool = node_pool("p")
        .requirement(CAPACITY_TYPE, "In", &["spot", "on-demand"])
        .requirement(ARCH, "In", &["amd64", "arm64"])
        .consolidate_after("Never");
    let cluster = cluster_with(lab, &[("p", pool)]).await?;

    for arch in ["amd64", "arm64"] {
        cluster.apply(deployment(arch).cpu("1500m").on_pool("p").node_selector(ARCH, arch)).await?;
    }
    for arch in ["amd64", "arm64"] {
        cluster.expect(pods(arch).all_running()).within(minutes(5)).await?;
    }
    cluster.apply(deployment("steady").cpu("1500m").on_pool("p").node_selector(CAPACITY_TYPE, "on-demand")).await?;
    cluster.expect(pods("steady").all_running()).within(minutes(5)).await?;

    let machines = Machine::all_of_pool(lab, &cluster, "p")?;
    let mut kinds: Vec<_> = machines.iter().map(|machine| (machine.fact(ARCH), machine.fact(CAPACITY_TYPE))).collect();
    kinds.sort();
    kinds.dedup();
    for arch in ["amd64", "arm64"] {
        let kind = (Some(arch.to_owned()), Some("spot".to_owned()));
        lab.verify(&format!("a spot machine of {arch} is among {kinds:?}"), true, kinds.contains(&kind))?;
    }
    let steady: Vec<_> =
        machines.iter().filter(|machine| machine.fact(CAPACITY_TYPE).as_deref() != Some("spot")).collect();
    // The pod that asks for it has the only machine that is no spot machine.
    lab.verify("the number of machines that are no spot machines", 1, steady.len())?;
    let priority = steady.first().and_then(|machine| machine.vm["properties"]["priority"].as_str());
    lab.verify("the priority of the steady machine", Some("Regular"), priority)
}

/// NP-27: Azure Linux runs on either architecture, each with the image that is made for it.
#[scenario]
async fn azure_linux_runs_on_either_architecture(lab: &Lab) -> Outcome {
    let pool = |arch: &'static str| (arch, any_size(arch).requirement(ARCH, "In", &[arch]));
    let cluster = cluster_with(lab, &[pool("amd64"), pool("arm64")]).await?;
    let runs = async |arch: &str, image: &str| -> Outcome {
        cluster.apply(node_class(arch).spec("imageFamily", "AzureLinux".into())).await?;
        cluster.apply(deployment(arch).cpu("1500m").on_pool(arch)).await?;
        cluster.expect(pods(arch).all_running()).within(minutes(10)).await?;
        let (definition, _) = Machine::of_pool(lab, &cluster, arch)?.image();
        lab.verify(&format!("the image of {arch}"), image, definition.as_str())
    };
    runs("amd64", "V3gen2").await?;

    lab.known_fault(
        "no-azure-linux-on-arm64",
        &["1.6.3", "1.7.1"],
        breaks("pods of arm64: all running").with_sign(vms().count(1)),
        runs("arm64", "V3gen2arm64"),
    )
    .await
}

/// NP-28: `vm list-skus` tells what a region sells, with capabilities and restrictions, and node auto-provisioning uses
/// the same: a size that the subscription may not have is shown as restricted, and is never tried.
#[scenario]
async fn the_sku_list_is_what_machines_are_chosen_from(lab: &Lab) -> Outcome {
    let (region, two) =
        (lab.require::<Region>()?, requires(SKU_NAME, "In", &["Standard_D2as_v5", "Standard_D2ads_v5"]));
    region.withdraw_size("Standard_D2as_v5");
    let list = format!("/subscriptions/{}/providers/Microsoft.Compute/skus", lab.azure().subscription_id());
    let filter = format!("$filter=location eq '{}'", region.name());
    let skus = lab.azure().client().list(&format!("{list}?{filter}"), "2021-07-01").await?;
    let machines: Vec<_> = skus.iter().filter(|sku| sku["resourceType"] == "virtualMachines").collect();
    lab.verify("the number of sizes", region.catalog().sizes(region.name()).len(), machines.len())?;
    let sku = |name: &str| machines.iter().find(|sku| sku["name"] == name).copied();
    for size in region.catalog().sizes(region.name()) {
        let capability = |wanted: &str| {
            let all = sku(&size.name)?["capabilities"].as_array()?;
            all.iter().find(|capability| capability["name"] == wanted)?["value"].as_str().map(str::to_owned)
        };
        lab.verify(&format!("vCPUs of {}", size.name), Some(size.vcpus.to_string()), capability("vCPUs"))?;
        lab.verify(&format!("memory of {}", size.name), Some(size.memory_gib.to_string()), capability("MemoryGB"))?;
    }
    let restrictions = |name: &str| sku(name).map(|sku| sku["restrictions"].clone()).unwrap_or_default();
    let reason = restrictions("Standard_D2as_v5")[0]["reasonCode"].clone();
    lab.verify("the restriction of D2as", "NotAvailableForSubscription", reason.as_str().unwrap_or_default())?;
    lab.verify("restrictions of D2ads", Some(0), restrictions("Standard_D2ads_v5").as_array().map(Vec::len))?;

    let cluster = cluster_with(lab, &[("p", two.put_on(any_size("p")))]).await?;
    let mark = cluster.mark();
    cluster.apply(deployment("web").cpu("1").on_pool("p")).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool("p").all_of_size(&["Standard_D2ads_v5"])).now()?;
    cluster.expect(requests(VM_WRITE).since(&mark).answered(409).none()).now()
}
