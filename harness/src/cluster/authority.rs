//! The certificates of a cluster, all of one authority.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

use super::ClusterError;

/// A certificate and its key, as PEM.
#[derive(Debug, Clone)]
pub(super) struct Credential {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// A cluster's own certificate authority. It signs for the API server, its clients, and in the hands of
/// kube-controller-manager for nodes.
#[derive(Debug)]
pub(super) struct Authority {
    own: Credential,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new() -> Result<Self, ClusterError> {
        let made = || -> Result<Self, rcgen::Error> {
            let (params, key) = (Self::params(), KeyPair::generate()?);
            let own = Credential { certificate: params.self_signed(&key)?.pem(), key: key.serialize_pem() };
            Ok(Self { own, issuer: Issuer::new(params, key) })
        };
        made().map_err(|source| ClusterError::Certificate { subject: "the authority".to_owned(), source })
    }

    /// The authority that has this certificate and key, made by [`new`](Self::new) before.
    pub(super) fn from_pem(certificate: String, key: String) -> Result<Self, ClusterError> {
        let pair = KeyPair::from_pem(&key)
            .map_err(|source| ClusterError::Certificate { subject: "the authority".to_owned(), source })?;
        Ok(Self { own: Credential { certificate, key }, issuer: Issuer::new(Self::params(), pair) })
    }

    /// What the authorities of all clusters have in common, which is all but the key.
    fn params() -> CertificateParams {
        let mut params = named("kubernetes-ca", None);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        params
    }

    /// The authority's own.
    pub(super) fn own(&self) -> &Credential {
        &self.own
    }

    /// For a server with these names and addresses.
    pub(super) fn server(&self, name: &str, names: &[String]) -> Result<Credential, ClusterError> {
        let params = CertificateParams::new(names).map(|mut params| {
            params.distinguished_name = named(name, None).distinguished_name;
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            params
        });
        self.issue(name, params)
    }

    /// For a client: `user` in `group`.
    pub(super) fn client(&self, user: &str, group: &str) -> Result<Credential, ClusterError> {
        let mut params = named(user, Some(group));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(user, Ok(params))
    }

    fn issue(
        &self,
        subject: &str,
        params: Result<CertificateParams, rcgen::Error>,
    ) -> Result<Credential, ClusterError> {
        let made = params.and_then(|mut params| {
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            let key = KeyPair::generate()?;
            let certificate = params.signed_by(&key, &self.issuer)?.pem();
            Ok(Credential { certificate, key: key.serialize_pem() })
        });
        made.map_err(|source| ClusterError::Certificate { subject: subject.to_owned(), source })
    }
}

fn named(name: &str, organisation: Option<&str>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    if let Some(organisation) = organisation {
        params.distinguished_name.push(DnType::OrganizationName, organisation);
    }
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// A key to sign service account tokens with: private and public half, as PEM.
pub(super) fn signing_key() -> Result<(String, String), ClusterError> {
    KeyPair::generate()
        .map(|key| (key.serialize_pem(), key.public_key_pem()))
        .map_err(|source| ClusterError::Certificate { subject: "service accounts".to_owned(), source })
}
