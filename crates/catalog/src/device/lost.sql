-- What a verification found missing or damaged and what is not here was kept as if another device were to send it.
UPDATE remote_originals SET state = 9 WHERE state = 3 AND reason IN ('missing', 'damaged');
