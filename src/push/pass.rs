//! One pass over the source: what is new is sent while it is read.

use std::io::Read;
use std::sync::{Arc, Mutex};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::crew::Crew;
use super::ledger::{Decision, Ledger};
use super::pack::{compression, pack};
use super::transfer::{Arrived, Job, transfer};
use super::{Error, Format, Push, locked};
use crate::http::{Judge as _, Verdict};
use crate::layer::{Budget, PackError, TarHash, channel};
use crate::source::{Image, Member, Stop, Streamed, Visit, inflate};

/// Reads the source once. Returns the image, and the failure that kept a layer from being
/// stored, when another pass may do better.
///
/// # Errors
///
/// Fails when the source cannot be read, or a failure is final.
pub(super) async fn run(
    push: &Push<'_>,
    image: &Streamed,
    ledger: &Arc<Mutex<Ledger>>,
) -> Result<(Image, Option<Error>), Error> {
    let crew = Crew::new(push);
    let (jobs, mut incoming) = mpsc::channel(1);

    let source = image.clone();
    let mut reader = Reader {
        ledger: Arc::clone(ledger),
        format: push.request.format,
        budget: crew.budget.clone(),
        slots: Arc::clone(&crew.slots),
        jobs,
        runtime: Handle::current(),
    };
    let interrupt = crew.interrupt.clone();
    let reading = tokio::task::spawn_blocking(move || source.read(&interrupt, &mut reader));

    let mut transfers = FuturesUnordered::new();
    let mut failure = None;
    let mut reads = true;
    while reads || !transfers.is_empty() {
        tokio::select! {
            job = incoming.recv(), if reads => match job {
                Some(job) => transfers.push(transfer(push.registry, job, &**push.reporter, &crew.stop)),
                None => reads = false,
            },
            Some(done) = transfers.next() => match done {
                Ok(layer) => {
                    let Arrived { member, hash, packed, compression } = layer;
                    locked(ledger).stored(member, hash, packed, compression);
                }
                // The reader knows why a layer broke off.
                Err(Error::Interrupted) => {}
                Err(error) if error.verdict() == Verdict::Final => {
                    failure = Some(error);
                    break;
                }
                Err(error) => failure = Some(error),
            },
            () = push.cancel.cancelled() => break,
        }
    }
    let cancelled = push.cancel.is_cancelled();
    let given_up = cancelled || failure.as_ref().is_some_and(|e| e.verdict() == Verdict::Final);
    if given_up {
        // The reader may be waiting to hand over a layer that nobody takes any more.
        drop(incoming);
        crew.give_up();
        while transfers.next().await.is_some() {}
    }
    let result = reading.await.map_err(|_panic| Error::Interrupted)?;
    match (result, failure) {
        _ if cancelled => Err(Error::Interrupted),
        (_, Some(failure)) if given_up => Err(failure),
        (Ok(image), failure) => Ok((image, failure)),
        (Err(error), _) => Err(error.into()),
    }
}

/// Takes the layers in the thread that reads them.
struct Reader {
    ledger: Arc<Mutex<Ledger>>,
    format: Format,
    budget: Budget,
    slots: Arc<Semaphore>,
    jobs: mpsc::Sender<Job>,
    runtime: Handle,
}

impl Visit for Reader {
    fn layer(&mut self, member: &Member, content: &mut dyn Read) -> Result<(), Stop> {
        let decision = locked(&self.ledger).decide(member);
        match decision {
            Decision::Skip => Ok(()),
            Decision::Hash => {
                let hash = TarHash::of(&mut inflate(member.wrapper, content)?)?;
                locked(&self.ledger).hashed(member, hash);
                Ok(())
            }
            Decision::Send(expected) => {
                let slot = Arc::clone(&self.slots).acquire_owned();
                let slot = self.runtime.block_on(slot).map_err(|_closed| Stop::Enough)?;
                let (packing, blob) = channel(self.format.encoding(), &self.budget);
                let (measured, hash) = oneshot::channel();
                let job = Job {
                    member: member.name.clone(),
                    expected,
                    known: None,
                    compression: compression(self.format, member.wrapper),
                    blob,
                    hash,
                    _slot: slot,
                };
                self.jobs.blocking_send(job).map_err(|_closed| Stop::Enough)?;
                match pack(packing, self.format, member.wrapper, content, &self.runtime) {
                    Ok(hash) => {
                        // Nobody listens when the upload has failed meanwhile.
                        let _nobody = measured.send(hash);
                        Ok(())
                    }
                    Err(PackError::Read(error)) => Err(Stop::Read(error)),
                    // The upload failed: the other layers are still to be sent.
                    Err(PackError::Unwanted) => Ok(()),
                }
            }
        }
    }
}
