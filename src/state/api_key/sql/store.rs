//! Implements the store once for all databases.

/// Adds the settings of a store and implements `ApiKeyStore`, for a type whose `runner` runs the operations.
macro_rules! store {
    ($store:ident) => {
        impl $store {
            /// Sets the longest time that a call takes. The default is 5 seconds.
            #[must_use]
            pub fn with_timeout(mut self, timeout: Duration) -> Self {
                self.runner = self.runner.with_timeout(timeout);
                self
            }
        }

        impl ApiKeySource for $store {
            async fn find(&self, id: &str) -> Result<Option<ApiKeyRecord>, ApiKeysUnavailable> {
                Ok(self.runner.run(Find(id)).await?)
            }

            async fn record_uses(
                &self,
                uses: &[(String, SystemTime)],
            ) -> Result<(), ApiKeysUnavailable> {
                Ok(self.runner.run(RecordUses::new(uses)).await?)
            }
        }

        impl ApiKeyStore for $store {
            async fn create(
                &self,
                new: NewApiKeyRecord,
            ) -> Result<ApiKeyCreation, ApiKeysUnavailable> {
                Ok(self.runner.run(new).await?)
            }

            async fn of_owner(&self, owner: &str) -> Result<Vec<ApiKeyRecord>, ApiKeysUnavailable> {
                Ok(self.runner.run(OfOwner(owner)).await?)
            }

            async fn change(
                &self,
                id: &str,
                owner: Option<&str>,
                change: ApiKeyChange,
            ) -> Result<Option<ApiKeyRecord>, ApiKeysUnavailable> {
                Ok(self.runner.run(Change { id, owner, by: change }).await?)
            }

            async fn rotate(
                &self,
                rotation: ApiKeyRotation<'_>,
            ) -> Result<ApiKeyRotationOutcome, ApiKeysUnavailable> {
                Ok(self.runner.run(rotation).await?)
            }

            async fn sweep(&self, before: SystemTime) -> Result<bool, ApiKeysUnavailable> {
                Ok(self.runner.run(Sweep(before)).await?)
            }
        }
    };
}

pub(super) use store;
