//! Which preview features there are. Azure has hundreds; these are the ones that the documents register, and those whose
//! properties the providers here know.

/// Namespace and name.
pub(super) const KNOWN: &[(&str, &str)] = &[
    ("Microsoft.Compute", "EncryptionAtHost"),
    ("Microsoft.ContainerService", "AKS-KedaPreview"),
    ("Microsoft.ContainerService", "AutomaticSKUPreview"),
    ("Microsoft.ContainerService", "AzureOverlayDualStackPreview"),
    ("Microsoft.ContainerService", "AzureOverlayPreview"),
    ("Microsoft.ContainerService", "CiliumDataplanePreview"),
    ("Microsoft.ContainerService", "DisableSSHPreview"),
    ("Microsoft.ContainerService", "EnableAPIServerVnetIntegrationPreview"),
    ("Microsoft.ContainerService", "EnableAzureCNIOverlayPodCIDRExpansion"),
    ("Microsoft.ContainerService", "NodeAutoProvisioningPreview"),
    ("Microsoft.ContainerService", "NRGLockdownPreview"),
    ("Microsoft.Network", "AllowNatGatewayV2"),
];

/// A feature in the spelling of Azure.
pub(super) fn find(namespace: &str, name: &str) -> Option<(&'static str, &'static str)> {
    let same = |known: &&(&str, &str)| known.0.eq_ignore_ascii_case(namespace) && known.1.eq_ignore_ascii_case(name);
    KNOWN.iter().find(same).copied()
}
