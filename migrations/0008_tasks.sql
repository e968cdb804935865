-- A pool holds its tasks under its own id; nothing ever wrote the ids of its workers.
ALTER TABLE task_pools DROP COLUMN worker_ids;

-- Tasks that have a key say so from now on, so that what was overtaken while it ran can be told apart and removed. Those that wait
-- are marked here; those that were overtaken before, which had no mark, are of these kinds.
DO $$
BEGIN
  IF to_regclass('graphile_worker._private_jobs') IS NOT NULL THEN
    UPDATE graphile_worker._private_jobs SET flags = coalesce(flags, '{}') || '{"keyed": true}'
    WHERE key IS NOT NULL
      OR task_id IN (SELECT id FROM graphile_worker._private_tasks WHERE identifier IN
        ('archive.publish', 'archive.check-upload', 'tags.scan', 'tags.decide', 'sources.prepare'));
  END IF;
END $$;
