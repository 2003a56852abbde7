//! Those who read layers and send them, several at once and in bounded memory.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use super::pack::{compression, pack, stays};
use super::transfer::{Arrived, Job, transfer};
use super::{Error, Push, cancelled_and_tidied};
use crate::layer::{Budget, PackError, Packed, TarHash, channel};
use crate::source::{Interrupt, Layer, LayerDiffId, inflate};

/// How many layers may be on their way at once.
///
/// With replies that take 30 ms two are too few, and six are enough.
const UPLOADS: usize = 6;

/// What all work of a push shares. When it is dropped, or gives up, reading ends.
pub(super) struct Crew<'a> {
    push: &'a Push<'a>,
    pub(super) budget: Budget,
    /// Layers on their way.
    pub(super) slots: Arc<Semaphore>,
    /// Layers that are being read. Each may keep some blocks of the budget until its blob
    /// turns out to be small, so there must be fewer of them than the budget has blocks.
    readers: Arc<Semaphore>,
    pub(super) interrupt: Interrupt,
    pub(super) stop: CancellationToken,
}

impl Drop for Crew<'_> {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl<'a> Crew<'a> {
    pub(super) fn new(push: &'a Push<'a>) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            push,
            budget: Budget::for_threads(threads),
            slots: Arc::new(Semaphore::new(UPLOADS)),
            readers: Arc::new(Semaphore::new(threads + 1)),
            interrupt: Interrupt::default(),
            stop: push.cancel.child_token(),
        }
    }

    /// Ends all work. Uploads are still cancelled by those who wait for them.
    pub(super) fn give_up(&self) {
        self.stop.cancel();
        self.interrupt.fire();
        self.budget.close();
        self.slots.close();
        self.readers.close();
    }

    /// Does all of `work`, as much at once as may be. The first failure ends the rest.
    ///
    /// # Errors
    ///
    /// Fails with that failure, and when the push is cancelled.
    pub(super) async fn all<T>(
        &self,
        work: impl IntoIterator<Item = impl Future<Output = Result<T, Error>>>,
        mut done: impl FnMut(T),
    ) -> Result<(), Error> {
        let mut work = stream::iter(work).buffer_unordered(UPLOADS);
        let mut failure = None;
        loop {
            tokio::select! {
                next = work.next() => match next {
                    None => break,
                    Some(Ok(result)) => done(result),
                    Some(Err(error)) => {
                        failure.get_or_insert(error);
                        self.give_up();
                    }
                },
                () = self.push.cancel.cancelled(), if !self.stop.is_cancelled() => self.give_up(),
            }
        }
        match failure {
            _ if self.push.cancel.is_cancelled() => Err(Error::Interrupted),
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }

    /// Reads a layer and does nothing with it but hash its tar.
    ///
    /// # Errors
    ///
    /// Fails when it cannot be read.
    pub(super) async fn hash(&self, layer: &Layer) -> Result<TarHash, Error> {
        let turn = self.turn(&self.readers).await?;
        let (opened, interrupt) = (layer.clone(), self.interrupt.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            TarHash::of(&mut inflate(opened.wrapper(), opened.open(&interrupt)?)?)
        });
        let hash = reading.await.map_err(|_panic| Error::Interrupted)?;
        hash.map_err(|error| self.unreadable(layer, error))
    }

    /// Brings a layer into the repository, again if need be.
    ///
    /// # Errors
    ///
    /// Fails when it cannot be read, is not what the config says, or the registry refuses.
    pub(super) async fn send(&self, layer: &Layer) -> Result<Arrived, Error> {
        let what = format!("send the layer `{}`", layer.name());
        let retry = self.push.registry.retry();
        tokio::select! {
            sent = retry.run(self.push.registry.patience(), &what, async |_| self.send_once(layer).await) => sent,
            () = cancelled_and_tidied(&self.stop) => Err(Error::Interrupted),
        }
    }

    async fn send_once(&self, layer: &Layer) -> Result<Arrived, Error> {
        let slot = self.turn(&self.slots).await?;
        let turn = self.turn(&self.readers).await?;
        let format = self.push.request.format;
        let (packing, blob) = channel(format.encoding(), &self.budget);
        let (measured, hash) = oneshot::channel();
        let job = Job {
            member: layer.name().to_owned(),
            expected: match layer.diff_id() {
                LayerDiffId::Fixed(diff_id) => Some(diff_id),
                LayerDiffId::Claimed(_) | LayerDiffId::Open => None,
            },
            known: layer
                .blob()
                .filter(|_| stays(format, layer.wrapper()))
                .map(|blob| Packed { digest: blob.digest, size_bytes: blob.size }),
            compression: compression(format, layer.wrapper()),
            blob,
            hash,
            _slot: slot,
        };
        let (opened, interrupt, runtime) =
            (layer.clone(), self.interrupt.clone(), Handle::current());
        let reading = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let mut content = opened.open(&interrupt)?;
            let hash = pack(packing, format, opened.wrapper(), &mut content, &runtime)?;
            // Nobody listens when the upload has failed meanwhile.
            let _nobody = measured.send(hash);
            Ok::<_, PackError>(())
        });
        let sending = transfer(self.push.registry, job, &**self.push.reporter, &self.stop);
        let (sent, read) = tokio::join!(sending, reading);
        match read.map_err(|_panic| Error::Interrupted)? {
            Err(PackError::Read(error)) => Err(self.unreadable(layer, error)),
            // If nobody wanted it, the upload failed.
            Err(PackError::Unwanted) | Ok(()) => sent,
        }
    }

    fn unreadable(&self, layer: &Layer, error: std::io::Error) -> Error {
        if self.stop.is_cancelled() { Error::Interrupted } else { layer.damaged(error).into() }
    }

    async fn turn(&self, of: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Error> {
        Arc::clone(of).acquire_owned().await.map_err(|_closed| Error::Interrupted)
    }
}
