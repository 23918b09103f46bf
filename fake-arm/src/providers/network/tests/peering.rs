//! Peerings: two sides, their states, and what overlaps.

use super::*;

/// Three networks `a`, `b`, `c`, the third overlapping with the first.
fn networks() -> TestFake {
    let mut fake = TestFake::with_group();
    for (name, space) in [("a", "10.0.0.0/16"), ("b", "10.1.0.0/16"), ("c", "10.0.128.0/17")] {
        fake.put(&at(&format!("virtualNetworks/{name}")), vnet(space, &[])).expect(201);
    }
    fake.settle();
    fake
}

fn path(from: &str, to: &str) -> String {
    at(&format!("virtualNetworks/{from}/virtualNetworkPeerings/to-{to}"))
}

fn peer(fake: &mut TestFake, from: &str, to: &str) -> Reply {
    let body = json!({"properties": {"remoteVirtualNetwork": {"id": id(&format!("virtualNetworks/{to}"))}}});
    let reply = fake.put(&path(from, to), body);
    fake.settle();
    reply
}

fn state(fake: &mut TestFake, from: &str, to: &str) -> (String, String) {
    let shown = fake.get(&path(from, to)).expect(200);
    let text = |field: &str| shown["properties"][field].as_str().unwrap().to_owned();
    (text("peeringState"), text("peeringSyncLevel"))
}

fn known(state: &str, level: &str) -> (String, String) {
    (state.to_owned(), level.to_owned())
}

#[test]
fn two_sides_connect_and_one_that_goes_disconnects_the_other() {
    let mut fake = networks();
    let made = peer(&mut fake, "a", "b").expect(201);
    assert_eq!(made["properties"]["allowVirtualNetworkAccess"], true);
    assert_eq!(state(&mut fake, "a", "b"), known("Initiated", "FullyInSync"));
    peer(&mut fake, "b", "a").expect(201);
    for (from, to) in [("a", "b"), ("b", "a")] {
        assert_eq!(state(&mut fake, from, to), known("Connected", "FullyInSync"));
    }
    let shown = fake.get(&at("virtualNetworks/a")).expect(200);
    assert_eq!(shown["properties"]["virtualNetworkPeerings"][0]["properties"]["peeringState"], "Connected");
    assert_eq!(
        shown["properties"]["virtualNetworkPeerings"][0]["properties"]["remoteAddressSpace"]["addressPrefixes"],
        json!(["10.1.0.0/16"])
    );
    fake.delete(&path("b", "a")).expect(202);
    fake.settle();
    assert_eq!(state(&mut fake, "a", "b").0, "Disconnected");
    let refusal = peer(&mut fake, "b", "a");
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
    peer(&mut fake, "a", "b").expect(200);
    assert_eq!(state(&mut fake, "a", "b").0, "Initiated");
    peer(&mut fake, "b", "a").expect(201);
    fake.delete(&at("virtualNetworks/b")).expect(202);
    fake.settle();
    assert_eq!(state(&mut fake, "a", "b").0, "Disconnected");
}

#[test]
fn spaces_that_overlap_do_not_peer() {
    let mut fake = networks();
    refused(
        &peer(&mut fake, "a", "c"),
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
    peer(&mut fake, "b", "a").expect(201);
    let third = peer(&mut fake, "c", "b");
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
    assert_eq!(fake.put(&at("virtualNetworks/b"), onto).code(), "VnetAddressSpaceOverlapsWithAlreadyPeeredVnet");
}

#[test]
fn a_changed_space_is_known_to_the_peer_after_a_synchronization() {
    let mut fake = networks();
    peer(&mut fake, "a", "b").expect(201);
    peer(&mut fake, "b", "a").expect(201);
    let wider = json!({"location": "eastus", "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16", "10.9.0.0/16"]}}});
    fake.put(&at("virtualNetworks/a"), wider).expect(200);
    assert_eq!(state(&mut fake, "a", "b"), known("Connected", "LocalNotInSync"));
    assert_eq!(state(&mut fake, "b", "a"), known("Connected", "RemoteNotInSync"));
    let seen_by_b = |fake: &mut TestFake| {
        let shown = fake.get(&path("b", "a")).expect(200);
        shown["properties"]["remoteAddressSpace"]["addressPrefixes"].as_array().unwrap().len()
    };
    peer(&mut fake, "a", "b").expect(200);
    assert_eq!(seen_by_b(&mut fake), 1, "a plain PUT synchronizes nothing");
    let body = json!({"properties": {"remoteVirtualNetwork": {"id": id("virtualNetworks/b")}}});
    fake.put(&format!("{}&syncRemoteAddressSpace=true", path("a", "b")), body).expect(200);
    fake.settle();
    assert_eq!(seen_by_b(&mut fake), 2);
    for (from, to) in [("a", "b"), ("b", "a")] {
        assert_eq!(state(&mut fake, from, to), known("Connected", "FullyInSync"));
    }
}

#[test]
fn a_network_has_one_peering_to_each_other_and_none_to_itself_or_to_nobody() {
    let mut fake = networks();
    peer(&mut fake, "a", "b").expect(201);
    let again = json!({"properties": {"remoteVirtualNetwork": {"id": id("virtualNetworks/b")}}});
    let second = fake.put(&at("virtualNetworks/a/virtualNetworkPeerings/second"), again);
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
    assert_eq!(peer(&mut fake, "a", "nobody").code(), "InvalidResourceReference");
    assert_eq!(peer(&mut fake, "a", "a").code(), "VnetCannotBePeeredWithItself");
    let gateways =
        json!({"properties": {"useRemoteGateways": true, "remoteVirtualNetwork": {"id": id("virtualNetworks/b")}}});
    assert_eq!(fake.put(&path("a", "b"), gateways).code(), "PeeringRemoteVnetHasNoGateways");
    assert_eq!(fake.get(&path("a", "c")).code(), "NotFound");
    let nothing = json!({"properties": {}});
    assert_eq!(fake.put(&path("a", "c"), nothing).body["error"]["details"][0]["code"], "MissingJsonReferenceId");
}

#[test]
fn routes_and_tags_reach_into_connected_networks() {
    let mut fake = networks();
    fake.put(&at("virtualNetworks/a/subnets/s"), json!({"properties": {"addressPrefix": "10.0.1.0/24"}})).expect(201);
    let subnet = id("virtualNetworks/a/subnets/s");
    let hop = |fake: &TestFake| routes(&fake.world, &subnet).next_hop("10.1.2.3".parse().unwrap());
    peer(&mut fake, "a", "b").expect(201);
    assert_eq!(hop(&fake), net::NextHop::None);
    peer(&mut fake, "b", "a").expect(201);
    assert_eq!(hop(&fake), net::NextHop::VnetPeering);
    let around = network_context(&fake.world, &subnet);
    assert!(around.matches(&net::Peer::VirtualNetwork, "10.1.2.3".parse().unwrap()));
}
