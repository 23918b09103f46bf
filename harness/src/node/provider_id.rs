//! The `spec.providerID` of a node, as cloud-provider-azure writes it.

/// `azure://` and the ARM id, the resource group in lower case: cloud-provider-azure reads the group in whatever case
/// ARM answers and lower-cases it, so that the id is the same each time. The rest keeps its case; the provisioner
/// compares it letter by letter with the id that it computed itself.
#[must_use]
pub fn provider_id(arm_id: &str) -> String {
    let mut parts: Vec<String> = arm_id.split('/').map(str::to_owned).collect();
    let group = parts.iter().position(|part| part.eq_ignore_ascii_case("resourceGroups")).map(|at| at + 1);
    if let Some(name) = group.and_then(|at| parts.get_mut(at)) {
        *name = name.to_lowercase();
    }
    format!("azure://{}", parts.join("/"))
}

/// Resource group of an ARM id, empty where it has none.
#[must_use]
pub(super) fn resource_group(arm_id: &str) -> &str {
    let mut parts = arm_id.split('/');
    parts.by_ref().find(|part| part.eq_ignore_ascii_case("resourceGroups"));
    parts.next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resource_group_alone_is_lower_cased() {
        let id = "/subscriptions/S-1/resourceGroups/MC_lab_Lab_eastus/providers/Microsoft.Compute/virtualMachines/aks-Default-x";
        assert_eq!(
            provider_id(id),
            "azure:///subscriptions/S-1/resourceGroups/mc_lab_lab_eastus/providers/Microsoft.Compute/virtualMachines/aks-Default-x"
        );
        assert_eq!(resource_group(id), "MC_lab_Lab_eastus");
    }

    #[test]
    fn a_scale_set_instance_is_named_under_its_scale_set() {
        let id = "/subscriptions/s/resourceGroups/RG/providers/Microsoft.Compute/virtualMachineScaleSets/aks-np-1-vmss/virtualMachines/0";
        assert_eq!(
            provider_id(id),
            "azure:///subscriptions/s/resourceGroups/rg/providers/Microsoft.Compute/virtualMachineScaleSets/aks-np-1-vmss/virtualMachines/0"
        );
    }
}
