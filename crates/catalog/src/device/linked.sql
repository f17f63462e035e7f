-- device.db, schema 4: linked originals can go, so those that could not are judged by the policy again.
UPDATE remote_originals SET state = 6, reason = NULL
    WHERE state = 4 AND reason = 'linked originals are not synced yet';
UPDATE remotes SET planned = NULL;
