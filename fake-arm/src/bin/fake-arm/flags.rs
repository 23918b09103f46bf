//! What the command is told.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use uuid::Uuid;

/// A fake Azure, as far as node auto-provisioning can see.
#[derive(Debug, Parser)]
#[command(name = "fake-arm", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve a fake Azure until Ctrl-C: Azure Resource Manager, Entra, managed identities.
    Serve(Box<Serve>),
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Address to listen on. Everybody who reaches it can change what the fake holds: mind what you name here.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub(crate) listen: IpAddr,

    /// Port of Azure Resource Manager and Entra; 0 takes any free one.
    #[arg(long, value_name = "PORT", default_value_t = 8443)]
    pub(crate) port: u16,

    /// Port of the endpoint for managed identities, on loopback [default: any free one].
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    pub(crate) identity_port: u16,

    /// Port of the admin API, on loopback [default: any free one].
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    pub(crate) admin_port: u16,

    /// Further host name or address under which clients reach it, for the certificate. May be repeated.
    #[arg(long, value_name = "HOST")]
    pub(crate) name: Vec<String>,

    /// File to keep everything in: read at the start where it exists, written after changes and at the end.
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,

    /// YAML file with principals and resources to begin with. Not read where --state has something to go on from.
    #[arg(long, value_name = "FILE")]
    pub(crate) world: Option<PathBuf>,

    /// Where to write the certificate that clients must trust [default: a file in the folder for temporary files].
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_out: Option<PathBuf>,

    /// Source of every random choice.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) seed: u64,

    /// Id of the subscription.
    #[arg(long, value_name = "ID")]
    pub(crate) subscription: Option<Uuid>,

    /// Id of the Entra tenant.
    #[arg(long, value_name = "ID")]
    pub(crate) tenant: Option<Uuid>,

    /// Client id of the application that owns the subscription.
    #[arg(long, value_name = "ID", default_value = "fa4ea23c-0000-4000-8000-000000000001")]
    pub(crate) client_id: Uuid,

    /// Its client secret.
    #[arg(long, value_name = "SECRET", default_value = "fake-secret", env = "FAKE_ARM_CLIENT_SECRET")]
    pub(crate) client_secret: String,

    /// Do not limit requests as Azure limits them.
    #[arg(long)]
    pub(crate) no_throttling: bool,

    /// Print what clients need as one line of JSON instead of a page for people.
    #[arg(long)]
    pub(crate) json: bool,
}
