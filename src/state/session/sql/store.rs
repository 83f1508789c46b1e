//! Implements the store once for all databases.

/// Adds the settings of a store and implements `SessionStore`, for a type whose `runner` runs the operations.
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

        impl SessionStore for $store {
            async fn create(
                &self,
                new: NewSession,
            ) -> Result<CreationOutcome, SessionsUnavailable> {
                Ok(self.runner.run(new).await?)
            }

            async fn rotate(
                &self,
                rotation: Rotation<'_>,
            ) -> Result<RotationOutcome, SessionsUnavailable> {
                Ok(self.runner.run(rotation).await?)
            }

            async fn of_subject(
                &self,
                subject: &str,
                now: SystemTime,
            ) -> Result<Vec<Session>, SessionsUnavailable> {
                Ok(self.runner.run(OfSubject { subject, now }).await?)
            }

            async fn end(
                &self,
                id: &str,
                subject: Option<&str>,
            ) -> Result<Option<Session>, SessionsUnavailable> {
                Ok(self.runner.run(End { id, subject }).await?)
            }

            async fn end_all(
                &self,
                subject: &str,
                except: Option<&str>,
                now: SystemTime,
            ) -> Result<Vec<Session>, SessionsUnavailable> {
                Ok(self.runner.run(EndAll { subject, except, now }).await?)
            }

            async fn remove(&self, ids: &[&str]) -> Result<(), SessionsUnavailable> {
                Ok(self.runner.run(Remove::new(ids)).await?)
            }

            async fn sweep(&self, now: SystemTime) -> Result<Swept, SessionsUnavailable> {
                // First, since what has expired can wait for the next sweep, and a revocation cannot.
                let ended = self.runner.run(SomeEnded).await?;
                let more_expired = self.runner.run(Sweep { now }).await?;
                let more_ended = ended.len() >= usize::try_from(BATCH).unwrap_or_default();
                Ok(Swept::new(ended, more_expired || more_ended))
            }
        }
    };
}

pub(super) use store;
