//! Public addresses, load balancers, NAT gateways.

use super::round_trip::without_etags;
use super::*;

fn public(sku: &str) -> Value {
    json!({"location": "eastus", "sku": {"name": sku}})
}

fn with_publics() -> TestFake {
    let mut fake = fake(&[("a", "10.0.1.0/24")]);
    fake.put(&at("publicIPAddresses/basic"), public("Basic")).expect(201);
    for name in ["one", "two"] {
        fake.put(&at(&format!("publicIPAddresses/{name}")), public("Standard")).expect(201);
    }
    fake
}

fn frontend(name: &str, address: &str) -> Value {
    json!({"name": name, "properties": {"publicIPAddress": {"id": id(&format!("publicIPAddresses/{address}"))}}})
}

fn balancer(sku: &str, properties: Value) -> Value {
    json!({"location": "eastus", "sku": {"name": sku}, "properties": properties})
}

#[test]
fn public_addresses_are_basic_or_standard_for_good() {
    let mut fake = with_publics();
    let basic = fake.get(&at("publicIPAddresses/basic")).expect(200);
    assert_eq!(basic["properties"]["publicIPAllocationMethod"], "Dynamic");
    assert!(basic["properties"]["ipAddress"].is_null(), "a dynamic address comes with its use");
    let one = fake.get(&at("publicIPAddresses/one")).expect(200);
    assert_eq!(one["properties"]["publicIPAllocationMethod"], "Static");
    assert!(one["properties"]["ipAddress"].is_string());
    let mut dynamic = public("Standard");
    dynamic["properties"] = json!({"publicIPAllocationMethod": "Dynamic"});
    refused(
        &fake.put(&at("publicIPAddresses/x"), dynamic),
        "StandardAndStandardV2SkuPublicIPAddressesMustBeStatic",
        &format!("Standard sku publicIp {} must have AllocationMethod set to Static.", id("publicIPAddresses/x")),
    );
    refused(
        &fake.put(&at("publicIPAddresses/basic"), public("Standard")),
        "SkuCannotBeChangedOnUpdate",
        &format!(
            "Sku property is set at creation time and cannot be changed from Basic to Standard on resource update for \
             resource {}.",
            id("publicIPAddresses/basic")
        ),
    );
    let zonal = |sku: &str, zones: Value| {
        let mut body = public(sku);
        body["zones"] = zones;
        body
    };
    assert_eq!(fake.put(&at("publicIPAddresses/x"), zonal("Basic", json!(["1"]))).code(), "BasicSkuCannotHaveZones");
    assert_eq!(fake.put(&at("publicIPAddresses/x"), zonal("Standard", json!(["9"]))).code(), "InvalidAvailabilityZone");
    fake.put(&at("publicIPAddresses/x"), zonal("Standard", json!(["1", "2", "3"]))).expect(201);
    let named = |label: &str| json!({"location": "eastus", "properties": {"dnsSettings": {"domainNameLabel": label}}});
    let made = fake.put(&at("publicIPAddresses/n1"), named("Web")).expect(201);
    assert_eq!(made["properties"]["dnsSettings"]["fqdn"], "web.eastus.cloudapp.azure.com");
    refused(
        &fake.put(&at("publicIPAddresses/n2"), named("web")),
        "DnsRecordInUse",
        "DNS record web.eastus.cloudapp.azure.com is already used by another public IP.",
    );
}

#[test]
fn a_public_address_has_one_user() {
    let mut fake = with_publics();
    let with = |address: &str| {
        let mut body = nic("a", 1);
        body["properties"]["ipConfigurations"][0]["properties"]["publicIPAddress"] =
            json!({"id": id(&format!("publicIPAddresses/{address}")), "properties": {"deleteOption": "Delete"}});
        body
    };
    fake.put(&at("networkInterfaces/n"), with("one")).expect(201);
    fake.put(&at("networkInterfaces/n"), with("one")).expect(200);
    let holder = id("networkInterfaces/n/ipConfigurations/ip0");
    assert_eq!(
        fake.get(&at("publicIPAddresses/one")).expect(200)["properties"]["ipConfiguration"]["id"],
        json!(holder)
    );
    let second = id("networkInterfaces/m/ipConfigurations/ip0");
    refused(
        &fake.put(&at("networkInterfaces/m"), with("one")),
        "PublicIPAddressInUse",
        &format!(
            "Resource {second} is referencing public IP address {} that is already allocated to resource {holder}.",
            id("publicIPAddresses/one")
        ),
    );
    assert_eq!(fake.delete(&at("publicIPAddresses/one")).code(), "PublicIPAddressCannotBeDeleted");
    delete_interface(&mut fake.world, &id("networkInterfaces/n"));
    assert_eq!(fake.get(&at("publicIPAddresses/one")).status, 404, "it goes with the machine");
    fake.put(&at("networkInterfaces/m"), with("basic")).expect(201);
    assert!(fake.get(&at("publicIPAddresses/basic")).expect(200)["properties"]["ipAddress"].is_string());
}

#[test]
fn basic_and_standard_do_not_mix() {
    let mut fake = with_publics();
    let lb = id("loadBalancers/lb");
    refused(
        &fake.put(
            &at("loadBalancers/lb"),
            balancer("Standard", json!({"frontendIPConfigurations": [frontend("f", "basic")]})),
        ),
        "PublicIPAndLBSkuDoNotMatch",
        &format!(
            "Standard sku load balancer {lb} cannot reference Basic sku publicIP {}.",
            id("publicIPAddresses/basic")
        ),
    );
    refused(
        &fake.put(
            &at("loadBalancers/lb"),
            balancer("Basic", json!({"frontendIPConfigurations": [frontend("f", "one")]})),
        ),
        "PublicIPAndLBSkuDoNotMatch",
        &format!(
            "Basic sku load balancer {lb} cannot reference Standard sku publicIP {}.",
            id("publicIPAddresses/one")
        ),
    );
    for (name, sku) in [("b", "Basic"), ("s", "Standard")] {
        fake.put(&at(&format!("loadBalancers/{name}")), balancer(sku, json!({"backendAddressPools": [{"name": "p"}]})))
            .expect(201);
    }
    let pool = |name: &str| id(&format!("loadBalancers/{name}/backendAddressPools/p"));
    let mut mixed = nic("a", 1);
    mixed["properties"]["ipConfigurations"][0]["properties"]["loadBalancerBackendAddressPools"] =
        json!([{"id": pool("b")}, {"id": pool("s")}]);
    refused(
        &fake.put(&at("networkInterfaces/n"), mixed),
        "DifferentSkuLoadBalancersAndPublicIPAddressNotAllowed",
        &format!(
            "Different basic sku and standard sku load balancer or public Ip resources in availability set is not allowed \
             {} and {}.",
            id("loadBalancers/b"),
            id("loadBalancers/s")
        ),
    );
    assert_eq!(fake.put(&at("loadBalancers/b"), balancer("Standard", json!({}))).code(), "SkuCannotBeChangedOnUpdate");
    let outbound = json!({"outboundRules": [{"name": "o", "properties": {}}]});
    assert_eq!(
        fake.put(&at("loadBalancers/b"), balancer("Basic", outbound)).code(),
        "OutboundRulesNotSupportedForBasicSku"
    );
}

#[test]
fn rules_refer_to_their_own_load_balancer_and_do_not_collide() {
    let mut fake = with_publics();
    let at_lb = |kind: &str, name: &str| json!({"id": id(&format!("loadBalancers/lb/{kind}/{name}"))});
    let rule = |name: &str, front: u32, back: u32, pool: &str| {
        json!({"name": name, "properties": {
            "frontendIPConfiguration": at_lb("frontendIPConfigurations", "f"),
            "backendAddressPool": at_lb("backendAddressPools", pool),
            "probe": at_lb("probes", "p"),
            "protocol": "Tcp", "frontendPort": front, "backendPort": back, "disableOutboundSnat": true,
        }})
    };
    let body = |rules: &[Value]| {
        balancer(
            "Standard",
            json!({
                "frontendIPConfigurations": [frontend("f", "one")],
                "backendAddressPools": [{"name": "pool"}],
                "probes": [{"name": "p", "properties": {"protocol": "Tcp", "port": 80}}],
                "loadBalancingRules": rules,
                "outboundRules": [{"name": "out", "properties": {
                    "frontendIPConfigurations": [at_lb("frontendIPConfigurations", "f")],
                    "backendAddressPool": at_lb("backendAddressPools", "pool"), "protocol": "All"}}],
            }),
        )
    };
    let path = at("loadBalancers/lb");
    let missing = fake.put(&path, body(&[rule("r", 80, 80, "nope")]));
    refused(
        &missing,
        "InvalidResourceReference",
        &format!(
            "Resource {} referenced by resource {} was not found. Please make sure that the referenced resource exists, and \
             that both resources are in the same region.",
            id("loadBalancers/lb/backendAddressPools/nope"),
            id("loadBalancers/lb/loadBalancingRules/r")
        ),
    );
    let two = [rule("r1", 80, 8200, "pool"), rule("r2", 443, 8200, "pool")];
    refused(
        &fake.put(&path, body(&two)),
        "RulesUseSameBackendPortProtocolAndPool",
        &format!(
            "Load balancing rules {} and {} with floating IP disabled use the same protocol Tcp and backend port 8200, and \
             must not be used with the same backend address pool {}.",
            id("loadBalancers/lb/loadBalancingRules/r1"),
            id("loadBalancers/lb/loadBalancingRules/r2"),
            id("loadBalancers/lb/backendAddressPools/pool")
        ),
    );
    let same_front = [rule("r1", 80, 1, "pool"), rule("r2", 80, 2, "pool")];
    assert_eq!(fake.put(&path, body(&same_front)).code(), "RulesUseSameFrontendPortProtocolAndIPConfig");
    let mut snat = rule("r", 80, 80, "pool");
    snat["properties"]["disableOutboundSnat"] = json!(false);
    assert_eq!(
        fake.put(&path, body(&[snat])).code(),
        "LoadBalancingRuleMustDisableSNATSinceSameFrontendIPConfigurationIsReferencedByOutboundRule"
    );
    assert_eq!(fake.put(&path, body(&[rule("r", 0, 80, "pool")])).code(), "LoadBalancingRuleInvalidPort");
    let made = fake.put(&path, body(&[rule("r", 80, 80, "pool")])).expect(201);
    let uses = json!([{"id": id("loadBalancers/lb/loadBalancingRules/r")}]);
    for (array, name) in [("frontendIPConfigurations", "f"), ("backendAddressPools", "pool"), ("probes", "p")] {
        assert_eq!(made["properties"][array][0]["properties"]["loadBalancingRules"], uses, "{name}");
        let child = fake.get(&at(&format!("loadBalancers/lb/{array}/{name}"))).expect(200);
        assert_eq!(child["properties"]["loadBalancingRules"], uses);
    }
    // What was read can be sent back and reads the same.
    let again = fake.put(&path, made.clone()).expect(200);
    assert_eq!(without_etags(again), without_etags(made));
}

#[test]
fn pools_show_who_is_in_them_and_stay_as_long() {
    let mut fake = with_publics();
    let pools = |names: &[&str]| {
        balancer(
            "Standard",
            json!({"backendAddressPools": names.iter().map(|n| json!({"name": n})).collect::<Vec<_>>()}),
        )
    };
    fake.put(&at("loadBalancers/lb"), pools(&["p", "q"])).expect(201);
    let mut member = nic("a", 1);
    let p = id("loadBalancers/lb/backendAddressPools/p");
    member["properties"]["ipConfigurations"][0]["properties"]["loadBalancerBackendAddressPools"] = json!([{"id": p}]);
    fake.put(&at("networkInterfaces/n"), member).expect(201);
    let user = id("networkInterfaces/n/ipConfigurations/ip0");
    let shown = fake.get(&at("loadBalancers/lb/backendAddressPools/p")).expect(200);
    assert_eq!(shown["properties"]["backendIPConfigurations"], json!([{"id": user}]));
    let message = format!(
        "Cannot remove backend address pool p from load balancer {} since it is in use by {user}.",
        id("loadBalancers/lb")
    );
    refused(&fake.put(&at("loadBalancers/lb"), pools(&["q"])), "InUseBackendAddressPoolCannotBeDeleted", &message);
    refused(
        &fake.delete(&at("loadBalancers/lb/backendAddressPools/p")),
        "InUseBackendAddressPoolCannotBeDeleted",
        &message,
    );
    fake.delete(&at("loadBalancers/lb/backendAddressPools/q")).expect(200);
    fake.put(&at("loadBalancers/lb/backendAddressPools/r"), json!({"properties": {}})).expect(201);
    fake.delete(&at("loadBalancers/lb")).expect(200);
    let nic = fake.get(&at("networkInterfaces/n")).expect(200);
    assert_eq!(nic["properties"]["ipConfigurations"][0]["properties"]["loadBalancerBackendAddressPools"], json!([]));
}

#[test]
fn private_frontends_have_addresses_of_their_subnet() {
    let mut fake = with_publics();
    let internal = |method: &str, address: Value| {
        balancer(
            "Standard",
            json!({"frontendIPConfigurations": [{"name": "f", "zones": ["1"], "properties": {
            "subnet": {"id": id("virtualNetworks/v/subnets/a")}, "privateIPAllocationMethod": method, "privateIPAddress": address}}]}),
        )
    };
    let path = at("loadBalancers/internal");
    assert_eq!(fake.put(&path, internal("Static", json!("10.0.1.2"))).code(), "PrivateIPAddressInReservedRange");
    let made = fake.put(&path, internal("Static", json!("10.0.1.100"))).expect(201);
    let shown = &made["properties"]["frontendIPConfigurations"][0];
    assert_eq!((&shown["properties"]["privateIPAddress"], &shown["zones"]), (&json!("10.0.1.100"), &json!(["1"])));
    assert_eq!(fake.put(&at("networkInterfaces/n"), fixed("a", "10.0.1.100")).code(), "PrivateIPAddressIsAllocated");
    let mut two = internal("Dynamic", json!(null));
    let mut second = internal("Static", json!("10.0.1.4"))["properties"]["frontendIPConfigurations"][0].clone();
    second["name"] = json!("g");
    two["properties"]["frontendIPConfigurations"].as_array_mut().unwrap().push(second);
    let made = fake.put(&at("loadBalancers/two"), two).expect(201);
    let given = |n: usize| made["properties"]["frontendIPConfigurations"][n]["properties"]["privateIPAddress"].clone();
    assert_eq!((given(0), given(1)), (json!("10.0.1.5"), json!("10.0.1.4")), "who wants a certain one has it");
    fake.delete(&at("loadBalancers/two")).expect(200);
    let mut both = internal("Dynamic", json!(null));
    both["properties"]["frontendIPConfigurations"].as_array_mut().unwrap().push(frontend("g", "one"));
    assert_eq!(fake.put(&path, both).code(), "LoadBalancerCannotHaveBothPublicAndPrivateFrontends");
    fake.put(&path, balancer("Standard", json!({"frontendIPConfigurations": [frontend("g", "one")]}))).expect(200);
    assert_eq!(capacity_left(&fake.world, &id("virtualNetworks/v/subnets/a")), 251);
}

#[test]
fn nat_gateways_hold_standard_addresses_and_serve_subnets() {
    let mut fake = with_publics();
    let gateway = |address: &str| {
        json!({"location": "eastus", "sku": {"name": "Standard"}, "zones": ["2"],
            "properties": {"publicIpAddresses": [{"id": id(&format!("publicIPAddresses/{address}"))}], "idleTimeoutInMinutes": 10}})
    };
    let path = at("natGateways/g");
    assert_eq!(fake.put(&path, gateway("basic")).code(), "NatGatewayAndPublicIpSkuDoNotMatch");
    fake.put(&path, gateway("one")).expect(201);
    assert_eq!(fake.delete(&at("publicIPAddresses/one")).code(), "PublicIPAddressCannotBeDeleted");
    let taken = fake.put(
        &at("loadBalancers/lb"),
        balancer("Standard", json!({"frontendIPConfigurations": [frontend("f", "one")]})),
    );
    assert_eq!(taken.code(), "PublicIPAddressInUse");
    let subnet = json!({"properties": {"addressPrefix": "10.0.1.0/24", "natGateway": {"id": id("natGateways/g")}}});
    fake.put(&at("virtualNetworks/v/subnets/a"), subnet).expect(200);
    let shown = fake.get(&path).expect(200);
    assert_eq!(shown["properties"]["subnets"], json!([{"id": id("virtualNetworks/v/subnets/a")}]));
    assert_eq!(fake.delete(&path).code(), "InUseNatGatewayCannotBeDeleted");
    fake.put(&at("virtualNetworks/v/subnets/a"), json!({"properties": {"addressPrefix": "10.0.1.0/24"}})).expect(200);
    fake.delete(&path).expect(200);
}
