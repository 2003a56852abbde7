//! One pass over the source: what is new is sent while it is read.

use std::io::Read;
use std::sync::{Arc, Mutex};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::ledger::{Decision, Ledger};
use super::transfer::{Arrived, Job, transfer};
use super::{Error, Run, locked};
use crate::event::Event;
use crate::http::{Judge as _, Verdict};
use crate::layer::{Budget, Encoding, PackError, TarHash, channel};
use crate::source::{Image, Interrupt, Member, Stop, Visit, inflate};

/// How many layers may be on their way at once.
///
/// With replies that take 30 ms two are too few, and six are enough.
const UPLOADS: usize = 6;

/// Reads the source once. Returns the image, and the failure that kept a layer from being
/// stored, when another pass may do better.
///
/// # Errors
///
/// Fails when the source cannot be read, or a failure is final.
pub(super) async fn run(
    run: &Run<'_>,
    ledger: &Arc<Mutex<Ledger>>,
) -> Result<(Image, Option<Error>), Error> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let budget = Budget::for_threads(threads);
    let slots = Arc::new(Semaphore::new(UPLOADS));
    let interrupt = Interrupt::default();
    let stop = run.cancel.child_token();
    let (jobs, mut incoming) = mpsc::channel(1);

    let source = run.request.source.clone();
    let mut reader = Reader {
        ledger: Arc::clone(ledger),
        encoding: run.request.format.encoding(),
        budget: budget.clone(),
        slots: Arc::clone(&slots),
        jobs,
        runtime: Handle::current(),
    };
    // Ends the reader also when this future is dropped.
    let ending = Ending { interrupt: interrupt.clone(), budget, slots };
    let reading = tokio::task::spawn_blocking(move || source.read(&interrupt, &mut reader));

    let mut transfers = FuturesUnordered::new();
    let mut failure = None;
    let mut reads = true;
    while reads || !transfers.is_empty() {
        tokio::select! {
            job = incoming.recv(), if reads => match job {
                Some(job) => transfers.push(transfer(run.registry, job, &**run.reporter, &stop)),
                None => reads = false,
            },
            Some(done) = transfers.next() => match done {
                Ok(layer) => {
                    if layer.sent {
                        run.reporter.report(sent_event(&layer));
                    }
                    let Arrived { member, hash, packed, sent } = layer;
                    locked(ledger).stored(member, hash, packed, sent);
                }
                // The reader knows why a layer broke off.
                Err(Error::Interrupted) => {}
                Err(error) if error.verdict() == Verdict::Final => {
                    failure = Some(error);
                    break;
                }
                Err(error) => failure = Some(error),
            },
            () = run.cancel.cancelled() => break,
        }
    }
    let cancelled = run.cancel.is_cancelled();
    let given_up = cancelled || failure.as_ref().is_some_and(|e| e.verdict() == Verdict::Final);
    if given_up {
        drop(ending);
        // The reader may be waiting to hand over a layer that nobody takes any more.
        drop(incoming);
        stop.cancel();
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

fn sent_event(layer: &Arrived) -> Event {
    Event::LayerSent {
        diff_id: layer.hash.diff_id,
        digest: layer.packed.digest,
        size_bytes: layer.packed.size_bytes,
        uncompressed_bytes: layer.hash.uncompressed_bytes,
    }
}

/// Ends the reading when it is dropped.
struct Ending {
    interrupt: Interrupt,
    budget: Budget,
    slots: Arc<Semaphore>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.interrupt.fire();
        self.budget.close();
        self.slots.close();
    }
}

/// Takes the layers in the thread that reads them.
struct Reader {
    ledger: Arc<Mutex<Ledger>>,
    encoding: Encoding,
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
                let (packing, blob) = channel(self.encoding, &self.budget);
                let (measured, hash) = oneshot::channel();
                let job = Job { member: member.name.clone(), expected, blob, hash, _slot: slot };
                self.jobs.blocking_send(job).map_err(|_closed| Stop::Enough)?;
                match packing.pack(&mut inflate(member.wrapper, content)?, &self.runtime) {
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
