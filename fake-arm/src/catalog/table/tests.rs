use std::collections::BTreeMap;

use super::*;

const REGIONS: [&str; 4] = ["eastus", "westus3", "southcentralus", "westcentralus"];
/// Sizes that Azure sells but publishes no price for.
const UNPRICED: [&str; 3] = ["Standard_D2_v2", "Standard_DS2_v2", "Standard_DS3_v2"];

fn capabilities(sku: &Value) -> BTreeMap<&str, &str> {
    let list = sku["capabilities"].as_array().expect("a list");
    list.iter().map(|c| (c["name"].as_str().expect("name"), c["value"].as_str().expect("value"))).collect()
}

#[test]
fn every_region_sells_enough_sizes_of_every_family_and_architecture() {
    let catalog = Catalog::builtin();
    for region in &REGIONS[..3] {
        let sizes = catalog.sizes(region);
        assert!(sizes.len() >= 80, "{region} has {}", sizes.len());
        for family in ["B", "D", "E", "F", "L", "N"] {
            assert!(sizes.iter().any(|size| size.short_name.starts_with(family)), "{region} lacks {family}");
        }
        assert!(sizes.iter().filter(|size| size.architecture == "Arm64").count() > 20);
        assert_eq!(catalog.region(region).expect("region").zones, ["1", "2", "3"]);
    }
    assert!(catalog.region("westcentralus").expect("region").zones.is_empty());
}

#[test]
fn every_sku_has_what_a_reader_must_find() {
    let catalog = Catalog::builtin();
    for region in REGIONS {
        for sku in catalog.skus(region) {
            let found = capabilities(&sku);
            for name in
                ["vCPUs", "vCPUsAvailable", "vCPUsPerCore", "MemoryGB", "MaxDataDiskCount", "MaxResourceVolumeMB"]
            {
                let value: f64 = found[name].parse().unwrap_or_else(|_| panic!("{name} of {sku}"));
                assert!(value >= 0.0);
            }
            assert!(["x64", "Arm64"].contains(&found["CpuArchitectureType"]), "{sku}");
            assert!(["V1", "V2", "V1,V2"].contains(&found["HyperVGenerations"]), "{sku}");
            if found["EphemeralOSDiskSupported"] == "True" {
                assert!(found.contains_key("SupportedEphemeralOSDiskPlacements"), "{sku}");
                let room = ["MaxResourceVolumeMB", "CachedDiskBytes", "NvmeDiskSizeInMiB"];
                assert!(room.iter().any(|name| found.get(name).is_some_and(|value| *value != "0")), "{sku}");
            }
            assert_eq!(sku["resourceType"], "virtualMachines");
            assert_eq!(sku["name"], format!("Standard_{}", sku["size"].as_str().expect("size")));
            assert_eq!(sku["locations"][0], region);
            assert_eq!(sku["locationInfo"][0]["location"], region);
        }
    }
}

#[test]
fn every_size_is_priced_where_it_is_sold_except_those_that_azure_does_not_price() {
    let catalog = Catalog::builtin();
    for region in REGIONS {
        for size in catalog.sizes(region) {
            let price = catalog.price(region, &size.name);
            assert_eq!(price.is_none(), UNPRICED.contains(&size.name.as_str()), "{region} {}", size.name);
            assert!(price.is_none_or(|price| price > 0.0));
        }
    }
    assert_eq!(catalog.price("East US", "standard_d2s_v5"), Some(0.096));
    assert_eq!(catalog.price("southcentralus", "Standard_D2s_v5"), Some(0.115));
}

#[test]
fn regions_differ_in_sizes_and_zones() {
    let catalog = Catalog::builtin();
    assert!(catalog.size("eastus", "Standard_ND96asr_v4").is_some());
    assert!(catalog.size("westus3", "Standard_ND96asr_v4").is_none());
    assert!(catalog.known_size("standard_nd96ASR_v4").is_some());
    assert_eq!(catalog.zones("southcentralus", "Standard_NC24ads_A100_v4"), ["1", "3"]);
    assert!(catalog.zones("southcentralus", "Standard_NC6s_v3").is_empty());
    assert!(catalog.size("mars", "Standard_D2s_v5").is_none());
}

/// Held against the SKU API's own answer for southcentralus.
#[test]
fn sizes_carry_the_numbers_of_the_sku_api() {
    let catalog = Catalog::builtin();
    let expected = [
        ("B20ms", "20", "80", "163840", Some("32212254720"), None, "32", "8"),
        ("D128ds_v6", "128", "512", "0", None, Some("7208960"), "64", "8"),
        ("D16plds_v5", "16", "32", "614400", Some("429496729600"), None, "32", "4"),
        ("D2as_v6", "2", "8", "0", None, None, "4", "2"),
        ("D64s_v3", "64", "256", "524288", Some("1717986918400"), None, "32", "8"),
        ("DS2_v2", "2", "7", "14336", Some("92341796864"), None, "8", "2"),
        ("E4d_v5", "4", "32", "153600", None, None, "8", "2"),
        ("F16s_v2", "16", "32", "131072", Some("274877906944"), None, "32", "4"),
        ("NC16as_T4_v3", "16", "110", "360448", Some("154618822656"), None, "32", "8"),
        ("NC24ads_A100_v4", "24", "220", "65536", Some("274877906944"), Some("915527"), "8", "2"),
    ];
    for (size, vcpus, memory, temp, cached, nvme, disks, nics) in expected {
        let sku = catalog.sku("southcentralus", &format!("Standard_{size}")).unwrap_or_else(|| panic!("{size}"));
        let found = capabilities(&sku);
        assert_eq!(found["vCPUs"], vcpus, "{size}");
        assert_eq!(found["MemoryGB"], memory, "{size}");
        assert_eq!(found["MaxResourceVolumeMB"], temp, "{size}");
        assert_eq!(found.get("CachedDiskBytes").copied(), cached, "{size}");
        assert_eq!(found.get("NvmeDiskSizeInMiB").copied(), nvme, "{size}");
        assert_eq!(found["MaxDataDiskCount"], disks, "{size}");
        assert_eq!(found["MaxNetworkInterfaces"], nics, "{size}");
    }
}

#[test]
fn a_sku_reads_as_arm_writes_it() {
    let sku = Catalog::builtin().sku("eastus", "Standard_D4pds_v5").expect("sold there");
    insta::assert_json_snapshot!(sku);
}

#[test]
fn galleries_have_dated_versions_of_every_definition() {
    let catalog = Catalog::builtin();
    let ubuntu = catalog.gallery("aksubuntu-38d80f77-467a-481f-a8d4-09b6d4220bd2").expect("gallery");
    for name in ["2204gen2containerd", "2404containerd", "2404gen2containerd", "2404gen2arm64containerd"] {
        let image = ubuntu.image(name).expect(name);
        assert_eq!(image.latest().expect("a version").name, "202510.12.0");
        let json = image.versions[0].to_json("eastus", &ubuntu.name, &image.name);
        assert_eq!(json["properties"]["publishedDate"], "2025-09-16T08:12:41Z");
    }
    let linux = catalog.gallery("AKSAzureLinux-f7c7cda5-1c9a-4bdc-a222-9614c968580b").expect("gallery");
    for name in ["V2gen2", "V2", "V2gen2arm64", "V3gen2", "V3", "V3gen2arm64"] {
        assert!(linux.image(name).is_some(), "{name}");
    }
}

#[test]
fn unsound_data_is_refused_by_name() {
    let sizes = "series: [{ quotaFamily: f, sizes: { D2: { vcpus: 2, memory: 8, disks: 4, nics: 2 } } }]";
    let regions = |extra: &str| {
        format!(
            "regions: [{{ name: r, displayName: R, zones: [], quota: {{ regional: 1, family: 1, spot: 1 }}{extra} }}]"
        )
    };
    let images = "galleries: []";
    let error =
        |regions: &str, prices: &str| Catalog::parse(sizes, regions, prices, images).expect_err("unsound").to_string();
    assert_eq!(
        error(&regions(""), "{ regions: [r], prices: { D3: [1.0] } }"),
        "prices.yaml: size D3 is not in sizes.yaml"
    );
    assert_eq!(
        error(&regions(""), "{ regions: [r], prices: { D2: [] } }"),
        "prices.yaml: D2 has 0 prices for 1 regions"
    );
    assert_eq!(
        error(&regions(", zonesOf: { D2: [] }"), "{ regions: [], prices: {} }"),
        "regions.yaml: r has zones for D2, which it does not sell"
    );
    assert!(error(&regions(", zone: 1"), "{ regions: [], prices: {} }").starts_with("regions.yaml: "));
}
