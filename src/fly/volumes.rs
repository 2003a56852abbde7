//! Volumes.

use std::collections::BTreeSet;

use reqwest::Method;

use super::apps::of_app;
use super::call::Call;
use super::wire::{CreateVolume, Volume};
use super::{AppName, Client, Error};

impl Client {
    /// Lists the volumes of an app. Idempotent; retries.
    ///
    /// # Errors
    ///
    /// As [`Client::app`].
    pub async fn volumes(&self, app: &AppName) -> Result<Vec<Volume>, Error> {
        let path = ["apps", app.as_str(), "volumes"];
        let call = Call::new(Method::GET, &path, format!("list the volumes of `{app}`"));
        self.call_list(call).await.map_err(|error| of_app(app, error))
    }

    /// Creates a volume, once: the request is repeated only when the app has no volume of
    /// that name and region more than before. Volumes are created one after another.
    ///
    /// # Errors
    ///
    /// Fails when the platform refuses. After [`Error::NoAnswer`] the volume may be there.
    ///
    /// # Cancel safety
    ///
    /// Dropping it may leave the volume behind.
    pub async fn create_volume(
        &self,
        app: &AppName,
        request: &CreateVolume,
    ) -> Result<Volume, Error> {
        let path = ["apps", app.as_str(), "volumes"];
        let name = &request.name;
        let call = Call::new(Method::POST, &path, format!("create a volume `{name}` of `{app}`"))
            .json(request)?;
        // Another one that is created meanwhile would be taken for this one.
        let _alone = self.alone().await;
        let before = self.volumes(app).await?;
        let before: BTreeSet<String> = before.into_iter().map(|volume| volume.id).collect();
        let created = self.create_once(call, async || {
            let now = self.volumes(app).await?;
            Ok(now.into_iter().find(|volume| is_new(volume, &before, request)))
        });
        created.await.map_err(|error| of_app(app, error))
    }
}

fn is_new(volume: &Volume, before: &BTreeSet<String>, request: &CreateVolume) -> bool {
    let place = request.region.is_empty() || volume.region == request.region;
    !before.contains(&volume.id) && volume.name == request.name && place
}
