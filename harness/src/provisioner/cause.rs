//! Why a provisioner did not start, in words. It panics on whatever it misses at its start; the panics are known.

/// What a log says, and what that means here. The first that fits counts, so the particular come before the general.
const KNOWN: &[(&str, &str)] = &[
    (
        "slice bounds out of range [:33]",
        "the host in CLUSTER_ENDPOINT is shorter than 33 characters, which this version of the provisioner cannot take; \
         give the cluster a longer dnsPrefix",
    ),
    (
        "serviceaccount/token: no such file or directory",
        "it found no service account token at /var/run/secrets/kubernetes.io/serviceaccount; `catnap doctor` says how \
         processes get one on this machine",
    ),
    (
        "unable to load in-cluster configuration",
        "KUBERNETES_SERVICE_HOST or KUBERNETES_SERVICE_PORT is not set, which it needs even where KUBECONFIG is",
    ),
    (
        "not permitted for non TLS protected",
        "the ARM endpoint in AZURE_ENVIRONMENT_FILEPATH is not https; it sends tokens over https alone",
    ),
    (
        "certificate signed by unknown authority",
        "it does not trust the certificate of the ARM endpoint or of the API server; SSL_CERT_FILE must name the lab's \
         certificate authority, and the kubeconfig that of the cluster",
    ),
    (
        "certificate is valid for",
        "the certificate of the ARM endpoint is not good for the host that it was reached under; versions without \
         AZURE_ENVIRONMENT_FILEPATH reach it as management.azure.com",
    ),
    (
        "invalid AZURE_TOKEN_CREDENTIALS",
        "this version does not know the value of AZURE_TOKEN_CREDENTIALS; see the table of versions",
    ),
    (
        "login.microsoftonline.com",
        "it tried to sign in at login.microsoftonline.com: AZURE_CLIENT_SECRET or AZURE_FEDERATED_TOKEN_FILE is set, \
         which come before the managed identity",
    ),
    (
        "ensuring Azure token can be retrieved",
        "the managed-identity endpoint gave it no token within 5 s; see the token requests in the ledger",
    ),
    ("cannot both be set", "ARM_CLOUD and AZURE_ENVIRONMENT_FILEPATH are both set; take ARM_CLOUD away"),
    ("getting VNET GUID", "it could not read the virtual network of VNET_SUBNET_ID; see the ledger for ARM's answer"),
    ("flag provided but not defined", "it does not know one of its arguments"),
    ("validating options", "an option from its environment or arguments does not pass its validation"),
    ("subscription ID not set", "AZURE_SUBSCRIPTION_ID or ARM_SUBSCRIPTION_ID is not set"),
    (
        "waiting for CRD",
        "the CRDs are not there; apply NodePool, NodeClaim and AKSNodeClass of the same version before it starts",
    ),
    (
        "failed to wait for CRD",
        "the API server could not be asked for the CRDs; it must answer before the provisioner starts",
    ),
    ("address already in use", "another process took its port between choosing and binding"),
    (
        "connect: connection refused",
        "the API server or the ARM endpoint did not accept connections when the provisioner started",
    ),
];

/// What the end of a log means.
pub(super) fn cause(log_tail: &str) -> Option<&'static str> {
    KNOWN.iter().find(|(sign, _)| log_tail.contains(sign)).map(|(_, words)| *words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_panics_are_told_apart() {
        let told = |line: &str| cause(line).unwrap_or_default();
        assert!(
            told("panic: runtime error: slice bounds out of range [:33] with length 9").contains("CLUSTER_ENDPOINT")
        );
        assert!(
            told("panic: getting VNET GUID: authenticated requests are not permitted for non TLS protected")
                .contains("https")
        );
        assert!(told("panic: ensuring Azure token can be retrieved: DefaultAzureCredential").contains("5 s"));
        assert!(told("panic: timed out waiting for CRD karpenter.sh/v1").contains("NodePool"));
        assert_eq!(cause("panic: something new"), None);
    }

    #[test]
    fn no_sign_hides_behind_an_earlier_one() {
        for (index, (sign, _)) in KNOWN.iter().enumerate() {
            assert!(KNOWN[..index].iter().all(|(earlier, _)| !sign.contains(earlier)), "{sign}");
        }
    }
}
