//! A resource group with an engine, and the bodies that clients send.

use serde_json::{Value, json};

use super::engine::TestEngine;
use crate::gateway::{Reply, TestFake};

/// The api-version of the az CLI.
pub(super) const API: &str = "api-version=2026-06-01";
pub(super) const CLUSTER: &str = "/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/c";

/// A fake with a resource group `rg` in eastus and an engine.
pub(super) struct Aks {
    pub(super) fake: TestFake,
    pub(super) engine: std::sync::Arc<TestEngine>,
}

impl Aks {
    pub(super) fn new() -> Self {
        let mut fake = TestFake::with_group();
        let engine = std::sync::Arc::new(TestEngine::default());
        fake.world.set_engine(engine.clone());
        Self { fake, engine }
    }

    /// With a virtual network `v` of `space` and a subnet `nodes` of `subnet`; the subnet's id.
    pub(super) fn network(&mut self, space: &str, subnet: &str) -> String {
        self.subnet(space, "nodes", json!({ "addressPrefix": subnet }))
    }

    /// Puts a subnet into the virtual network `v`, which is made where it is not there; its id.
    pub(super) fn subnet(&mut self, space: &str, name: &str, properties: Value) -> String {
        let network = "/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v";
        let body = json!({ "location": "eastus", "properties": { "addressSpace": { "addressPrefixes": [space] } } });
        if self.fake.get(&format!("{network}?api-version=2024-07-01")).status == 404 {
            self.fake.put(&format!("{network}?api-version=2024-07-01"), body).expect(201);
        }
        let path = format!("{network}/subnets/{name}");
        let made =
            self.fake.put(&format!("{path}?api-version=2024-07-01"), json!({ "name": name, "properties": properties }));
        self.fake.settle();
        made.expect(201)["id"].as_str().unwrap().to_owned()
    }

    /// Asks for a cluster `c` and lets it come up.
    pub(super) fn put(&mut self, body: &Value) -> Reply {
        let reply = self.fake.put(&path(""), body.clone());
        self.fake.settle();
        reply
    }

    #[track_caller]
    pub(super) fn created(body: &Value) -> Self {
        let mut aks = Self::new();
        aks.put(body).expect(201);
        assert_eq!(aks.get()["properties"]["provisioningState"], "Succeeded");
        aks
    }

    /// The cluster as it is.
    #[track_caller]
    pub(super) fn get(&mut self) -> Value {
        self.fake.get(&path("")).expect(200)
    }

    /// Asks for a change of the cluster as the CLI does: all that it read, with something else in it.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut Value)) -> Reply {
        let mut body = self.get();
        change(&mut body["properties"]);
        let reply = self.fake.put(&path(""), body);
        self.fake.settle();
        reply
    }

    /// What became of the last long-running operation of a reply.
    #[track_caller]
    pub(super) fn outcome(&mut self, reply: &Reply) -> Value {
        let url = reply.header("azure-asyncoperation").expect("it is long-running").replace("https://127.0.0.1:1", "");
        self.fake.get(&url).expect(200)
    }
}

/// `…/managedClusters/c<rest>?api-version=…`
pub(super) fn path(rest: &str) -> String {
    format!("{CLUSTER}{rest}?{API}")
}

/// What `az aks create` sends with the network settings that the documents recommend.
pub(super) fn recommended(mode: &str) -> Value {
    json!({
        "location": "eastus",
        "identity": { "type": "SystemAssigned" },
        "sku": { "name": "Base", "tier": "Free" },
        "properties": {
            "kubernetesVersion": "",
            "dnsPrefix": "c-rg-111111",
            "enableRBAC": true,
            "disableLocalAccounts": false,
            "agentPoolProfiles": [{
                "name": "nodepool1",
                "orchestratorVersion": "",
                "vmSize": "",
                "osType": "Linux",
                "enableNodePublicIP": false,
                "count": 3,
                "enableAutoScaling": false,
                "scaleSetPriority": "Regular",
                "nodeTaints": [],
                "upgradeSettings": {},
                "type": "VirtualMachineScaleSets",
                "enableEncryptionAtHost": false,
                "enableUltraSSD": false,
                "enableFIPS": false,
                "mode": "System",
            }],
            "linuxProfile": {
                "adminUsername": "azureuser",
                "ssh": { "publicKeys": [{ "keyData": "ssh-rsa AAAA" }] },
            },
            "networkProfile": {
                "networkPlugin": "azure",
                "networkPluginMode": "overlay",
                "networkDataplane": "cilium",
                "loadBalancerSku": "standard",
                "outboundType": "loadBalancer",
            },
            "addonProfiles": {},
            "storageProfile": {},
            "bootstrapProfile": { "artifactSource": "Direct" },
            "nodeProvisioningProfile": { "mode": mode },
        },
    })
}

/// The code and text of an error, whose status and target are as they should be.
#[track_caller]
pub(super) fn refusal(reply: Reply, status: u16, code: &str) -> String {
    assert_eq!((reply.status, reply.code()), (status, code), "{:#}", reply.body);
    reply.message().to_owned()
}
