//! Who talks to the API server, and the file that lets them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::authority::Credential;

/// With which the provisioner talks to the cluster that it runs in, as pods do with that of their service account. Its
/// kubeconfig has a certificate for the same identity.
pub(super) const PROVISIONER_TOKEN: &str = "catnap";

/// Who talks to the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Identity {
    /// Who created the cluster: what `listClusterAdminCredential` hands out.
    Admin,
    /// What `listClusterUserCredential` hands out. It may do everything as long as the cluster has local accounts.
    User,
    /// kube-controller-manager.
    ControllerManager,
    /// kube-scheduler.
    Scheduler,
    /// KWOK, in the place of all kubelets.
    Kwok,
    /// The provisioner.
    Provisioner,
}

impl Identity {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Admin, Self::User, Self::ControllerManager, Self::Scheduler, Self::Kwok, Self::Provisioner];

    /// The name that the API server and its audit log know it by.
    #[must_use]
    pub fn user(self) -> &'static str {
        match self {
            Self::Admin => "masterclient",
            Self::User => "clusterUser",
            Self::ControllerManager => "system:kube-controller-manager",
            Self::Scheduler => "system:kube-scheduler",
            Self::Kwok => "catnap:kwok",
            Self::Provisioner => "system:serviceaccount:kube-system:karpenter",
        }
    }

    /// The token that it shows, where that is how the API server knows it: all that is part of the lab. A certificate is
    /// verified anew at each request, which is a good part of what a quiet cluster costs; people have one as on AKS.
    pub(super) fn token(self) -> Option<&'static str> {
        match self {
            Self::Admin | Self::User => None,
            Self::ControllerManager => Some("catnap-controller-manager"),
            Self::Scheduler => Some("catnap-scheduler"),
            Self::Kwok => Some("catnap-kwok"),
            Self::Provisioner => Some(PROVISIONER_TOKEN),
        }
    }

    /// The group of all of them for now.
    ///
    /// Kubernetes binds its own components to ClusterRoles that the API server writes between one and two seconds
    /// after it is ready; until then they would be refused and wait longer than that before they try again. None of
    /// them is what scenarios judge. The provisioner gets the rights of its chart's ClusterRole with the suites about
    /// scoped RBAC.
    pub(super) fn group(self) -> &'static str {
        "system:masters"
    }

    pub(super) fn file_name(self) -> &'static str {
        match self {
            Self::Admin => "admin.kubeconfig",
            Self::User => "user.kubeconfig",
            Self::ControllerManager => "kube-controller-manager.kubeconfig",
            Self::Scheduler => "kube-scheduler.kubeconfig",
            Self::Kwok => "kwok.kubeconfig",
            Self::Provisioner => "provisioner.kubeconfig",
        }
    }
}

/// By what the API server knows somebody.
#[derive(Debug, Clone)]
pub(super) enum Proof {
    /// A certificate and its key.
    Certificate(Credential),
    /// A token: one of [`tokens`], or of a service account.
    Token(String),
}

/// The tokens that the API server knows, in the form of `--token-auth-file`: `token,user,uid,groups`.
pub(super) fn tokens() -> String {
    let line = |identity: Identity| {
        let (token, user, group) = (identity.token()?, identity.user(), identity.group());
        Some(format!("{token},{user},{token},\"{group}\"\n"))
    };
    Identity::ALL.into_iter().filter_map(line).collect()
}

/// A kubeconfig that needs no other file.
pub(super) fn kubeconfig(server: &str, ca: &str, user: &str, proof: &Proof) -> String {
    let ca = STANDARD.encode(ca);
    let shown = match proof {
        Proof::Certificate(Credential { certificate, key }) => {
            let [certificate, key] = [certificate, key].map(|pem| STANDARD.encode(pem));
            format!("client-certificate-data: {certificate}\n    client-key-data: {key}")
        }
        Proof::Token(token) => format!("token: {token}"),
    };
    format!(
        "apiVersion: v1\n\
         kind: Config\n\
         clusters:\n\
         - name: catnap\n  cluster:\n    server: {server}\n    certificate-authority-data: {ca}\n\
         users:\n\
         - name: {user:?}\n  user:\n    {shown}\n\
         contexts:\n\
         - name: catnap\n  context:\n    cluster: catnap\n    user: {user:?}\n\
         current-context: catnap\n"
    )
}
