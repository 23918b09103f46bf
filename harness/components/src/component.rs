//! The components and the programs that each consists of.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A real part of the lab that is not imitated, with a version of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Component {
    /// The provisioner: Karpenter's Azure provider.
    KarpenterAzure,
    /// The control plane and its command.
    Kubernetes,
    /// The store of the control plane.
    Etcd,
    /// Plays the kubelets of nodes that exist only as objects.
    Kwok,
}

impl Component {
    /// Every component, the longest build first.
    pub const ALL: [Self; 4] = [Self::KarpenterAzure, Self::Kubernetes, Self::Kwok, Self::Etcd];

    /// `karpenter-azure`, `kubernetes`, …: as folders and the command line call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::KarpenterAzure => "karpenter-azure",
            Self::Kubernetes => "kubernetes",
            Self::Etcd => "etcd",
            Self::Kwok => "kwok",
        }
    }

    /// The programs that come with it.
    #[must_use]
    pub fn programs(self) -> &'static [Program] {
        match self {
            Self::KarpenterAzure => &[Program::Karpenter],
            Self::Kubernetes => {
                &[Program::KubeApiserver, Program::KubeControllerManager, Program::KubeScheduler, Program::Kubectl]
            }
            Self::Etcd => &[Program::Etcd],
            Self::Kwok => &[Program::Kwok],
        }
    }

    /// The Go module that holds it.
    pub(super) fn module(self) -> &'static str {
        match self {
            Self::KarpenterAzure => "github.com/Azure/karpenter-provider-azure",
            Self::Kubernetes => "k8s.io/kubernetes",
            Self::Etcd => "go.etcd.io/etcd/server/v3",
            Self::Kwok => "sigs.k8s.io/kwok",
        }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Component {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|component| component.name() == name).ok_or_else(|| {
            format!("no component is called {name:?}; there are {}", Self::ALL.map(Self::name).join(", "))
        })
    }
}

/// An executable file of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Program {
    /// The provisioner.
    Karpenter,
    /// The API server.
    KubeApiserver,
    /// The controllers of Kubernetes itself.
    KubeControllerManager,
    /// Assigns pods to nodes.
    KubeScheduler,
    /// The user's command; the lab itself needs it nowhere.
    Kubectl,
    /// The key-value store.
    Etcd,
    /// Plays kubelets.
    Kwok,
}

impl Program {
    /// Every program.
    pub const ALL: [Self; 7] = [
        Self::Karpenter,
        Self::KubeApiserver,
        Self::KubeControllerManager,
        Self::KubeScheduler,
        Self::Kubectl,
        Self::Etcd,
        Self::Kwok,
    ];

    /// The component it belongs to.
    #[must_use]
    pub fn component(self) -> Component {
        match self {
            Self::Karpenter => Component::KarpenterAzure,
            Self::KubeApiserver | Self::KubeControllerManager | Self::KubeScheduler | Self::Kubectl => {
                Component::Kubernetes
            }
            Self::Etcd => Component::Etcd,
            Self::Kwok => Component::Kwok,
        }
    }

    /// Its file name in the cache.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Karpenter => "karpenter",
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::KubeScheduler => "kube-scheduler",
            Self::Kubectl => "kubectl",
            Self::Etcd => "etcd",
            Self::Kwok => "kwok",
        }
    }

    /// The environment variable that gives a path to it.
    #[must_use]
    pub fn variable(self) -> &'static str {
        match self {
            Self::Karpenter => "CATNAP_KARPENTER_AZURE",
            Self::KubeApiserver => "CATNAP_KUBE_APISERVER",
            Self::KubeControllerManager => "CATNAP_KUBE_CONTROLLER_MANAGER",
            Self::KubeScheduler => "CATNAP_KUBE_SCHEDULER",
            Self::Kubectl => "CATNAP_KUBECTL",
            Self::Etcd => "CATNAP_ETCD",
            Self::Kwok => "CATNAP_KWOK",
        }
    }

    /// The lab cannot start without it.
    pub(super) fn needed(self) -> bool {
        self != Self::Kubectl
    }

    /// The Go package of its main function.
    pub(super) fn package(self) -> &'static str {
        match self {
            Self::Karpenter => "github.com/Azure/karpenter-provider-azure/cmd/controller",
            Self::KubeApiserver => "k8s.io/kubernetes/cmd/kube-apiserver",
            Self::KubeControllerManager => "k8s.io/kubernetes/cmd/kube-controller-manager",
            Self::KubeScheduler => "k8s.io/kubernetes/cmd/kube-scheduler",
            Self::Kubectl => "k8s.io/kubernetes/cmd/kubectl",
            Self::Etcd => "go.etcd.io/etcd/server/v3",
            Self::Kwok => "sigs.k8s.io/kwok/cmd/kwok",
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_found_by_the_name_it_shows() {
        for component in Component::ALL {
            assert_eq!(component.to_string().parse(), Ok(component));
        }
        assert!("kubernets".parse::<Component>().unwrap_err().contains("kubernetes"));
    }

    #[test]
    fn every_program_belongs_to_the_component_that_lists_it() {
        for program in Program::ALL {
            assert!(program.component().programs().contains(&program));
            assert!(program.package().starts_with(program.component().module()));
        }
    }
}
