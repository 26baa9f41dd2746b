/**
 * The statements of the broker. Placeholders are plain `?`, since Node 22.18 has no numbered ones; the
 * comment of a statement lists their values in order.
 *
 * `tests/brokers/sqlite/plans_test.ts` asserts that none of them reads more rows than it needs.
 *
 * @module
 */

/** Queue, state, rank, due, message id, actor, stamp, body. */
export const INSERT =
  "insert into dramatiq_messages(queue,state,rank,due,message_id,actor,stamp,body) " +
  "values(?,?,?,?,?,?,?,?)";
/** Queue name, state, rank, due, message id, actor, stamp, body. Run by other programs. */
export const INSERT_BY_NAME =
  "insert into dramatiq_messages(queue,state,rank,due,message_id,actor,stamp,body) " +
  "values((select id from dramatiq_queues where name=?),?,?,?,?,?,?,?)";
/** Unique key, id. */
export const SET_UNIQUE_KEY = "update dramatiq_messages set unique_key=? where id=?";
/** Message id. */
export const SELECT_UNIQUE = "select 1 from dramatiq_messages where message_id=? and " +
  "unique_key is not null and state<>3 limit 1";
/** Due, message id. Changes the eta of a delayed message. */
export const DELAY_UNIQUE = "update dramatiq_messages set due=? where message_id=? and " +
  "unique_key is not null and state=2";
/** Id, body. */
export const INSERT_BODY = "insert or replace into dramatiq_bodies values(?,?)";
/** Id. */
export const DELETE_BODY = "delete from dramatiq_bodies where id=?";
/** Id. */
export const SELECT_BODY = "select body from dramatiq_bodies where id=?";
/** Id. */
export const IS_TAKEN = "select 1 from dramatiq_messages where id=? and state=1";

/** Name. */
export const SELECT_QUEUE = "select id from dramatiq_queues where name=?";
/** Name. */
export const INSERT_QUEUE = "insert into dramatiq_queues(name) values(?)";

/** Queue, now. Makes delayed messages that are due ready. */
export const PROMOTE = "update dramatiq_messages set state=0 where id in (select id from " +
  "dramatiq_messages where queue=? and state=2 and due<=? order by due, id limit 500)";
/** Queue. */
export const NEXT_DUE =
  "select due from dramatiq_messages where queue=? and state=2 order by due limit 1";
/** Owner, queue, limit. The rows come in no order. */
export const CLAIM =
  "update dramatiq_messages set state=1, owner=?, deliveries=deliveries+1 where id in " +
  "(select id from dramatiq_messages where queue=? and state=0 order by rank, due, id limit ?) " +
  "returning id, rank, due, body, deaths";
/** Owner, queue, now, limit. Claims delayed messages that are due. */
export const CLAIM_DUE =
  "update dramatiq_messages set state=1, owner=?, deliveries=deliveries+1 where id in " +
  "(select id from dramatiq_messages where queue=? and state=2 and due<=? order by due, id " +
  "limit ?) returning id, rank, due, body, deaths";
/** Queue. */
export const PROBE = "select 1 from dramatiq_messages where queue=? and state=0 limit 1";

/** Id, owner. */
export const ACK = "delete from dramatiq_messages where id=? and owner=? and state=1";
/** Time, id, owner. Keeps the body. */
export const NACK =
  "update dramatiq_messages set state=3, owner=null, due=? where id=? and owner=? and state=1";
/** Time, body, id, owner. */
export const NACK_CHANGED =
  "update dramatiq_messages set state=3, owner=null, due=?, body=? where id=? and owner=? and " +
  "state=1";
/** Id, owner. The message keeps its place in the queue, and loses its mark. */
export const REQUEUE =
  "update dramatiq_messages set state=0, owner=null, marked_by=null where id=? and owner=? and state=1";

/** Host, pid, label, time. */
export const INSERT_WORKER = "insert into dramatiq_workers(host,pid,label,started) values(?,?,?,?)";
/** Id. */
export const BEAT = "update dramatiq_workers set beat=beat+1 where id=?";
export const SELECT_WORKERS = "select id, beat, host, pid, label from dramatiq_workers";
/** Id. */
export const SELECT_BEAT = "select beat from dramatiq_workers where id=?";
/** Id. */
export const DELETE_WORKER = "delete from dramatiq_workers where id=?";
/** Note, id, owner. Marks a suspect that is about to start. */
export const MARK =
  "update dramatiq_messages set marked_by=owner, note=? where id=? and owner=? and state=1";
/** Id. */
export const SELECT_NOTES = "select notes from dramatiq_messages where id=?";
/**
 * Owner. Requeues messages of a dead worker: all of them become suspects, and a death is counted for
 * those that it had marked.
 */
export const RECOVER_DEAD = "update dramatiq_messages set state=0, owner=null, marked_by=null, " +
  "deaths=coalesce(deaths,0)+(marked_by is owner), notes=case when marked_by is not owner then " +
  "notes when notes is null then note else substr(notes,1,1000)||'; '||note end where id in " +
  "(select id from dramatiq_messages where owner=? and state=1 limit 500)";
/** Owner. Requeues messages of a worker. */
export const RECOVER =
  "update dramatiq_messages set state=0, owner=null, marked_by=null where id in (select id from dramatiq_messages " +
  "where owner=? and state=1 limit 500)";

const COUNT = "(select count(*) from dramatiq_messages";
/** Queue, four times. */
export const COUNTS = `select ${COUNT} where queue=? and state=0) ready, ` +
  `${COUNT} where queue=? and state=2) delayed, ` +
  `${COUNT} indexed by dramatiq_taken where queue=? and state=1) unacknowledged, ` +
  `${COUNT} where queue=? and state=3) dead`;
/** Queue, three times. */
export const IS_BUSY =
  "select exists(select 1 from dramatiq_messages where queue=? and state=0) or " +
  "exists(select 1 from dramatiq_messages where queue=? and state=2) or " +
  "exists(select 1 from dramatiq_messages indexed by dramatiq_taken where queue=? and state=1) busy";

/** Queue. */
export const LAST_DEAD = "select max(id) last from dramatiq_messages where queue=? and state=3";
/** Queue, after this id, up to this id, limit. */
export const DEAD_PAGE =
  "select id, due, coalesce(body, (select body from dramatiq_bodies b where b.id=m.id), x'') body " +
  "from dramatiq_messages m where queue=? and state=3 and id>? and id<=? order by id limit ?";
/** Id. */
export const DROP_DEAD = "delete from dramatiq_messages where id=? and state=3";
/** Time. */
export const HAS_OLD_DEAD = "select 1 from dramatiq_messages where state=3 and due<=? limit 1";
/** Time. */
export const PURGE_DEAD = "delete from dramatiq_messages where id in (select id from " +
  "dramatiq_messages where state=3 and due<=? order by due limit 500)";

const flush = (state: number, index = "") =>
  `delete from dramatiq_messages where id in (select id from dramatiq_messages ${index} ` +
  `where queue=? and state=${state} limit 1000)`;
/** Queue. */
export const FLUSH_READY = /* @__PURE__ */ flush(0);
/** Queue. */
export const FLUSH_DELAYED = /* @__PURE__ */ flush(2);
/** Queue. */
export const FLUSH_TAKEN = /* @__PURE__ */ flush(1, "indexed by dramatiq_taken");
/** Queue. */
export const FLUSH_DEAD = /* @__PURE__ */ flush(3);
