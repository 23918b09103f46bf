//! `fake-arm serve`: from its flags to its end.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fake_arm::clock::MovableClock;
use fake_arm::directory::{ClientSecret, Principal, PrincipalKind};
use fake_arm::seed;
use fake_arm::world::Throttling;
use fake_arm::{FakeArm, Settings, StartError};

use crate::command_error::CommandError;
use crate::flags::Serve;
use crate::greeting::{self, Client};
use crate::keeping;
use fake_arm::engine::NoopEngine;

/// Entries that the ledger keeps.
const LEDGER: usize = 100_000;
/// What is being answered at the end has this much time.
const FAREWELL: Duration = Duration::from_secs(3);

/// Serves until a signal comes.
pub(crate) async fn serve(flags: Box<Serve>) -> Result<(), CommandError> {
    // Before anything is announced: whoever reads the announcement may send a signal at once.
    let signals = Signals::new().map_err(CommandError::Signals)?;
    let (azure, fresh) = start(&flags).await?;
    azure.set_engine(Arc::new(NoopEngine));
    admit_owner(&azure, &flags);
    if let Some(path) = flags.world.as_ref().filter(|_| fresh) {
        let document = keeping::read_world(path)?;
        let applied = azure.with(|world| seed::apply(world, document));
        applied.map_err(|error| CommandError::World { path: path.clone(), reason: error.to_string() })?;
    }
    let temporary = flags.ca_out.is_none();
    let ca = flags.ca_out.clone().unwrap_or_else(|| {
        let port = azure.endpoint().port().unwrap_or_default();
        std::env::temp_dir().join(format!("fake-arm-{port}-ca.pem"))
    });
    keeping::write_certificate(&ca, azure.ca_pem())?;
    announce(&azure, &flags, &ca);

    match &flags.state {
        None => signals.wait().await,
        Some(path) => {
            let events = azure.subscribe();
            keeping::write_state(path, &azure.save())?;
            tokio::select! {
                () = signals.wait() => {}
                () = keeping::keep(&azure, path, events) => {}
            }
            keeping::write_state(path, &azure.save())?;
        }
    }
    azure.drain(FAREWELL).await;
    if temporary {
        // Whoever took it away has done it for us.
        let _ = std::fs::remove_file(&ca);
    }
    Ok(())
}

/// Starts the fake; `true`: it goes on from nothing.
async fn start(flags: &Serve) -> Result<(FakeArm, bool), CommandError> {
    let saved = flags.state.as_deref().map(keeping::read_state).transpose()?.flatten();
    let ahead = saved.as_ref().map_or(Duration::ZERO, |saved| saved.clock_ahead());
    let mut settings = Settings::default();
    if flags.no_throttling {
        settings.throttling = Throttling::off();
    }
    // A second is the least that every client understands.
    settings.poll_interval = Duration::from_secs(1);
    let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut builder = FakeArm::builder()
        .movable_clock(Arc::new(MovableClock::ahead_by(ahead)))
        .seed(flags.seed)
        .settings(settings)
        .listen(SocketAddr::new(flags.listen, flags.port))
        .identity_listen(loopback(flags.identity_port))
        .admin_listen(loopback(flags.admin_port))
        .ledger_limit(LEDGER);
    for name in &flags.name {
        builder = builder.name(name);
    }
    if let Some(subscription) = flags.subscription {
        builder = builder.subscription(subscription);
    }
    if let Some(tenant) = flags.tenant {
        builder = builder.tenant(tenant);
    }
    let fresh = saved.is_none();
    if let Some(saved) = saved {
        builder = builder.saved(saved);
    }
    let started = builder.start().await;
    let azure = started.map_err(|error| match (error, &flags.state) {
        (StartError::Restore(why), Some(path)) => CommandError::State { path: path.clone(), reason: why.to_string() },
        (other, _) => CommandError::Start(other),
    })?;
    Ok((azure, fresh))
}

/// The application that owns the subscription. A state that was kept has it already, unless it is told another one now.
fn admit_owner(azure: &FakeArm, flags: &Serve) {
    let known = azure.with(|world| world.principals().by_client(flags.client_id).map(|known| known.object_id));
    let object_id = known.unwrap_or_else(|| azure.with(|world| world.uuid()));
    if known.is_none() {
        azure.add_owner(Principal {
            object_id,
            client_id: flags.client_id,
            kind: PrincipalKind::ServicePrincipal,
            display_name: "fake-arm".to_owned(),
        });
    }
    azure.with(|world| {
        let secrets = world.credentials().secrets(object_id);
        if !secrets.iter().any(|secret| secret.value == flags.client_secret) {
            world.credentials_mut().add_secret(object_id, ClientSecret::new(&flags.client_secret));
        }
        if world.metadata_principal().is_none() {
            world.set_metadata_principal(Some(object_id));
        }
    });
}

fn announce(azure: &FakeArm, flags: &Serve, ca: &Path) {
    if !flags.listen.is_loopback() {
        eprintln!(
            "warning: listening on {}: everybody who reaches it can log in with the client secret, and take and change \
             whatever the fake holds",
            flags.listen
        );
    }
    if flags.state.is_some() && flags.world.is_some() {
        eprintln!("note: the world file is read only where the state file does not exist yet");
    }
    let owner = azure.with(|world| world.principals().by_client(flags.client_id).map(|known| known.object_id));
    let identity_header = azure.identity_header_for(owner.unwrap_or_default());
    let client = Client { id: flags.client_id, secret: &flags.client_secret, identity_header: &identity_header };
    let text = if flags.json {
        format!("{}\n", greeting::machine(azure, ca, &client))
    } else {
        greeting::page(azure, ca, &client)
    };
    // Nobody may be reading; the fake serves all the same.
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Ctrl-C, and what service managers send.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    #[cfg(not(unix))]
    fn new() -> std::io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(unix)]
    async fn wait(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    #[cfg(not(unix))]
    async fn wait(self) {
        // Where signals cannot be waited for, the fake is ended by force.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
