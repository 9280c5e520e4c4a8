-- The devices that alerts are pushed to, and what was pushed to each (service/src/push). An endpoint is a secret of its
-- device: whoever knows it and the service's key may send there.
CREATE TABLE push_subscriptions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  endpoint text NOT NULL UNIQUE,
  p256dh text NOT NULL,
  auth text NOT NULL,
  -- The service's public key at that time: a push service takes messages of no other.
  vapid_key text NOT NULL,
  -- What its owner knows the device by.
  name text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  last_sent_at timestamptz,
  -- Why the last message did not get there; null when it did.
  problem text,
  -- How many messages in a row were given up for it, and since when: one that never takes any is removed.
  failures integer NOT NULL DEFAULT 0,
  failing_since timestamptz,
  -- Since when nothing can be sent to it: the key is another one, or its user may not see alerts.
  unusable_since timestamptz
);
CREATE INDEX push_subscriptions_user ON push_subscriptions (user_id);

-- What is to be sent, so that any replica can go on with it: topic, ttl, urgency and payload, as service/src/push/message.ts has them.
CREATE TABLE push_messages (
  id bytea PRIMARY KEY,
  topic text NOT NULL,
  body jsonb NOT NULL,
  -- When it was last told of.
  at timestamptz NOT NULL DEFAULT now()
);

-- One row a message and device: who inserts it sends, so that of several replicas one does.
CREATE TABLE push_deliveries (
  message bytea NOT NULL REFERENCES push_messages ON DELETE CASCADE,
  subscription_id uuid NOT NULL REFERENCES push_subscriptions ON DELETE CASCADE,
  -- sending, due (to be tried again), sent, given_up, replaced (by a newer message of its topic)
  state text NOT NULL DEFAULT 'sending',
  attempts integer NOT NULL DEFAULT 1,
  first_at timestamptz NOT NULL DEFAULT now(),
  -- sending: since when; due: from when on.
  at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (message, subscription_id)
);
CREATE INDEX push_deliveries_open ON push_deliveries (at) WHERE state IN ('sending', 'due');
CREATE INDEX push_deliveries_subscription ON push_deliveries (subscription_id);
