//! Peerings: two sides, their states, and what overlaps.

use super::*;

/// Three networks `a`, `b`, `c`, the third overlapping with the first.
fn networks() -> Bench {
    let mut bench = Bench::with_group();
    for (name, space) in [("a", "10.0.0.0/16"), ("b", "10.1.0.0/16"), ("c", "10.0.128.0/17")] {
        bench.put(&at(&format!("virtualNetworks/{name}")), vnet(space, &[])).expect(201);
    }
    bench.settle();
    bench
}

fn path(from: &str, to: &str) -> String {
    at(&format!("virtualNetworks/{from}/virtualNetworkPeerings/to-{to}"))
}

fn peer(bench: &mut Bench, from: &str, to: &str) -> Reply {
    let body = json!({"properties": {"remoteVirtualNetwork": {"id": id(&format!("virtualNetworks/{to}"))}}});
    let reply = bench.put(&path(from, to), body);
    bench.settle();
    reply
}

fn state(bench: &mut Bench, from: &str, to: &str) -> (String, String) {
    let shown = bench.get(&path(from, to)).expect(200);
    let text = |field: &str| shown["properties"][field].as_str().unwrap().to_owned();
    (text("peeringState"), text("peeringSyncLevel"))
}

fn known(state: &str, level: &str) -> (String, String) {
    (state.to_owned(), level.to_owned())
}

#[test]
fn two_sides_connect_and_one_that_goes_disconnects_the_other() {
    let mut bench = networks();
    let made = peer(&mut bench, "a", "b").expect(201);
    assert_eq!(made["properties"]["allowVirtualNetworkAccess"], true);
    assert_eq!(state(&mut bench, "a", "b"), known("Initiated", "FullyInSync"));
    peer(&mut bench, "b", "a").expect(201);
    for (from, to) in [("a", "b"), ("b", "a")] {
        assert_eq!(state(&mut bench, from, to), known("Connected", "FullyInSync"));
    }
    let shown = bench.get(&at("virtualNetworks/a")).expect(200);
    assert_eq!(shown["properties"]["virtualNetworkPeerings"][0]["properties"]["peeringState"], "Connected");
    assert_eq!(
        shown["properties"]["virtualNetworkPeerings"][0]["properties"]["remoteAddressSpace"]["addressPrefixes"],
        json!(["10.1.0.0/16"])
    );
    bench.delete(&path("b", "a")).expect(202);
    bench.settle();
    assert_eq!(state(&mut bench, "a", "b").0, "Disconnected");
    let refusal = peer(&mut bench, "b", "a");
    refused(
        &refusal,
        "RemotePeeringIsDisconnected",
        &format!(
            "Cannot create or update peering {} because remote peering {} referencing parent virtual network {} is in \
             Disconnected state. Update or re-create the remote peering to get it back to Initiated state. Peering gets \
             Disconnected when remote vnet or remote peering is deleted and re-created.",
            id("virtualNetworks/b/virtualNetworkPeerings/to-a"),
            id("virtualNetworks/a/virtualNetworkPeerings/to-b"),
            id("virtualNetworks/a")
        ),
    );
    peer(&mut bench, "a", "b").expect(200);
    assert_eq!(state(&mut bench, "a", "b").0, "Initiated");
    peer(&mut bench, "b", "a").expect(201);
    bench.delete(&at("virtualNetworks/b")).expect(202);
    bench.settle();
    assert_eq!(state(&mut bench, "a", "b").0, "Disconnected");
}

#[test]
fn spaces_that_overlap_do_not_peer() {
    let mut bench = networks();
    refused(
        &peer(&mut bench, "a", "c"),
        "VnetAddressSpacesOverlap",
        &format!(
            "Cannot create or update peering {}. Virtual networks {} and {} cannot be peered because their address spaces \
             overlap. Overlapping address prefixes: 10.0.128.0/17. For more information please refer to \
             https://aka.ms/VnetPeeringInfo",
            id("virtualNetworks/a/virtualNetworkPeerings/to-c"),
            id("virtualNetworks/a"),
            id("virtualNetworks/c")
        ),
    );
    peer(&mut bench, "b", "a").expect(201);
    let third = peer(&mut bench, "c", "b");
    assert_eq!(third.code(), "VnetAddressSpaceOverlapsWithAlreadyPeeredVnet");
    assert!(
        third.message().contains(&format!(
            "because address space of the first virtual network overlaps with address space of virtual network {} already \
             peered with the second virtual network. Overlapping address prefixes: 10.0.128.0/17.",
            id("virtualNetworks/a")
        )),
        "{}",
        third.message()
    );
    let onto = json!({"location": "eastus", "properties": {"addressSpace": {"addressPrefixes": ["10.1.0.0/16", "10.0.7.0/24"]}}});
    assert_eq!(bench.put(&at("virtualNetworks/b"), onto).code(), "VnetAddressSpaceOverlapsWithAlreadyPeeredVnet");
}

#[test]
fn a_changed_space_is_known_to_the_peer_after_a_synchronization() {
    let mut bench = networks();
    peer(&mut bench, "a", "b").expect(201);
    peer(&mut bench, "b", "a").expect(201);
    let wider = json!({"location": "eastus", "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16", "10.9.0.0/16"]}}});
    bench.put(&at("virtualNetworks/a"), wider).expect(200);
    assert_eq!(state(&mut bench, "a", "b"), known("Connected", "LocalNotInSync"));
    assert_eq!(state(&mut bench, "b", "a"), known("Connected", "RemoteNotInSync"));
    let seen_by_b = |bench: &mut Bench| {
        let shown = bench.get(&path("b", "a")).expect(200);
        shown["properties"]["remoteAddressSpace"]["addressPrefixes"].as_array().unwrap().len()
    };
    peer(&mut bench, "a", "b").expect(200);
    assert_eq!(seen_by_b(&mut bench), 1, "a plain PUT synchronizes nothing");
    let body = json!({"properties": {"remoteVirtualNetwork": {"id": id("virtualNetworks/b")}}});
    bench.put(&format!("{}&syncRemoteAddressSpace=true", path("a", "b")), body).expect(200);
    bench.settle();
    assert_eq!(seen_by_b(&mut bench), 2);
    for (from, to) in [("a", "b"), ("b", "a")] {
        assert_eq!(state(&mut bench, from, to), known("Connected", "FullyInSync"));
    }
}

#[test]
fn a_network_has_one_peering_to_each_other_and_none_to_itself_or_to_nobody() {
    let mut bench = networks();
    peer(&mut bench, "a", "b").expect(201);
    let again = json!({"properties": {"remoteVirtualNetwork": {"id": id("virtualNetworks/b")}}});
    let second = bench.put(&at("virtualNetworks/a/virtualNetworkPeerings/second"), again);
    refused(
        &second,
        "AnotherPeeringAlreadyReferencesRemoteVnet",
        &format!(
            "Peering {} already references remote virtual network {}. Cannot add another peering {} referencing the same \
             remote virtual network.",
            id("virtualNetworks/a/virtualNetworkPeerings/to-b"),
            id("virtualNetworks/b"),
            id("virtualNetworks/a/virtualNetworkPeerings/second")
        ),
    );
    assert_eq!(peer(&mut bench, "a", "nobody").code(), "InvalidResourceReference");
    assert_eq!(peer(&mut bench, "a", "a").code(), "VnetCannotBePeeredWithItself");
    let gateways =
        json!({"properties": {"useRemoteGateways": true, "remoteVirtualNetwork": {"id": id("virtualNetworks/b")}}});
    assert_eq!(bench.put(&path("a", "b"), gateways).code(), "PeeringRemoteVnetHasNoGateways");
    assert_eq!(bench.get(&path("a", "c")).code(), "NotFound");
    let nothing = json!({"properties": {}});
    assert_eq!(bench.put(&path("a", "c"), nothing).body["error"]["details"][0]["code"], "MissingJsonReferenceId");
}

#[test]
fn routes_and_tags_reach_into_connected_networks() {
    let mut bench = networks();
    bench.put(&at("virtualNetworks/a/subnets/s"), json!({"properties": {"addressPrefix": "10.0.1.0/24"}})).expect(201);
    let subnet = id("virtualNetworks/a/subnets/s");
    let hop = |bench: &Bench| routes(&bench.world, &subnet).next_hop("10.1.2.3".parse().unwrap());
    peer(&mut bench, "a", "b").expect(201);
    assert_eq!(hop(&bench), crate::net::NextHop::None);
    peer(&mut bench, "b", "a").expect(201);
    assert_eq!(hop(&bench), crate::net::NextHop::VnetPeering);
    let around = surroundings(&bench.world, &subnet);
    assert!(around.matches(&crate::net::Peer::VirtualNetwork, "10.1.2.3".parse().unwrap()));
}
