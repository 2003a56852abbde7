//! Addresses of apps.

use std::collections::BTreeSet;

use reqwest::Method;

use super::apps::of_app;
use super::call::Call;
use super::wire::{AssignIp, IpAddress, IpAddressList};
use super::{AppName, Client, Error};

impl Client {
    /// Lists the addresses of an app. Idempotent; retries.
    ///
    /// # Errors
    ///
    /// As [`Client::app`].
    pub async fn ip_addresses(&self, app: &AppName) -> Result<Vec<IpAddress>, Error> {
        let path = ["apps", app.as_str(), "ip_assignments"];
        let call = Call::new(Method::GET, &path, format!("list the addresses of `{app}`"));
        let list: IpAddressList = self.call(&call).await.map_err(|error| of_app(app, error))?;
        Ok(list.ips)
    }

    /// Gives an app an address, once: the request is repeated only when the app has no
    /// address of that kind more than before. Addresses are assigned one after another.
    ///
    /// # Errors
    ///
    /// Fails when the platform refuses. After [`Error::NoAnswer`] the app may have it.
    ///
    /// # Cancel safety
    ///
    /// Dropping it may leave the app with the address.
    pub async fn assign_ip(&self, app: &AppName, request: &AssignIp) -> Result<IpAddress, Error> {
        let path = ["apps", app.as_str(), "ip_assignments"];
        let kind = request.kind.as_str();
        let call = Call::new(Method::POST, &path, format!("assign a {kind} address to `{app}`"))
            .json(request)?;
        // Another one that is assigned meanwhile would be taken for this one.
        let _alone = self.alone().await;
        let before = self.ip_addresses(app).await?;
        let before: BTreeSet<String> = before.into_iter().map(|address| address.ip).collect();
        let assigned = self.create_once(call, async || {
            let now = self.ip_addresses(app).await?;
            let is_new = |address: &IpAddress| {
                !before.contains(&address.ip) && address.kind() == request.kind
            };
            Ok(now.into_iter().find(is_new))
        });
        assigned.await.map_err(|error| of_app(app, error))
    }
}
