//! What the catalogues are asked. Each query answers rows of a key, the statement that gives the thing to a role and
//! the statement that takes it away; the role looked at is `@role` here, and the role in the statements is [`MARK`].

use crate::postgres::quote::literal;

/// Stands for the role in statements, so that what two roles have can be compared as texts.
pub(super) const MARK: &str = "\u{2}role\u{2}";

/// Puts a role into a query.
pub(super) fn for_role(query: &str, role: &str) -> String {
    query.replace("@mark", &format!("'{MARK}'")).replace("@role", literal(role).as_str())
}

/// Where a role owns something; its own default privileges and user mappings are booked as owned, and compared apart.
pub(super) const OWNED: &str = "\
SELECT coalesce(quote_ident(d.datname), 'shared objects') || ' (' || count(*) || ')'
FROM pg_shdepend s JOIN pg_roles r ON r.oid = s.refobjid LEFT JOIN pg_database d ON d.oid = s.dbid
WHERE r.rolname = @role AND s.refclassid = 'pg_authid'::regclass AND s.deptype = 'o'
AND s.classid NOT IN ('pg_default_acl'::regclass, 'pg_user_mapping'::regclass)
GROUP BY d.datname ORDER BY 1";

/// Whether sessions of a role become another role when they begin.
pub(super) const BECOMES_OWNER: &str = "\
SELECT 1 FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole, unnest(s.setconfig) c
WHERE r.rolname = @role AND c LIKE 'role=%'";

/// What is the same in every database; memberships have more options from 16 on, parameters grants from 15 on.
pub(super) fn shared(is_new_model: bool, has_parameters: bool) -> String {
    let memberships = if is_new_model { MEMBERSHIPS_16 } else { MEMBERSHIPS };
    let parts = [ATTRIBUTES, memberships, SETTINGS, SHARED_GRANTS];
    let mut query = parts.join(" UNION ALL ");
    if has_parameters {
        query.push_str(" UNION ALL ");
        query.push_str(PARAMETER_GRANTS);
    }
    query
}

const ATTRIBUTES: &str = "\
SELECT format('%s', a), format('ALTER ROLE %s %s', @mark, a), ''
FROM pg_roles r, unnest(ARRAY[
  CASE WHEN rolsuper THEN 'SUPERUSER' ELSE 'NOSUPERUSER' END,
  CASE WHEN rolinherit THEN 'INHERIT' ELSE 'NOINHERIT' END,
  CASE WHEN rolcreaterole THEN 'CREATEROLE' ELSE 'NOCREATEROLE' END,
  CASE WHEN rolcreatedb THEN 'CREATEDB' ELSE 'NOCREATEDB' END,
  CASE WHEN rolreplication THEN 'REPLICATION' ELSE 'NOREPLICATION' END,
  CASE WHEN rolbypassrls THEN 'BYPASSRLS' ELSE 'NOBYPASSRLS' END,
  'CONNECTION LIMIT ' || rolconnlimit]) a
WHERE rolname = @role";

const MEMBERSHIPS: &str = "\
SELECT DISTINCT format('%I %s', g.rolname, m.admin_option),
  format('GRANT %I TO %s%s', g.rolname, @mark, CASE WHEN m.admin_option THEN ' WITH ADMIN OPTION' ELSE '' END),
  format('REVOKE %s%I FROM %s', CASE WHEN m.admin_option THEN 'ADMIN OPTION FOR ' ELSE '' END, g.rolname, @mark)
FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles r ON r.oid = m.member
WHERE r.rolname = @role";

const MEMBERSHIPS_16: &str = "\
SELECT DISTINCT format('%I %s %s %s', g.rolname, m.admin_option, m.inherit_option, m.set_option),
  format('GRANT %I TO %s WITH ADMIN %s, INHERIT %s, SET %s', g.rolname, @mark, m.admin_option, m.inherit_option,
    m.set_option),
  format('REVOKE %I FROM %s', g.rolname, @mark)
FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles r ON r.oid = m.member
WHERE r.rolname = @role";

/// Values of list variables are stored quoted already (as `pg_dumpall` knows them).
const SETTINGS: &str = "\
SELECT format('%s%s', place, c),
  format('ALTER ROLE %s%s SET %I TO %s', @mark, place, name, CASE WHEN name IN ('search_path', 'temp_tablespaces',
    'local_preload_libraries', 'session_preload_libraries') THEN value ELSE quote_literal(value) END),
  format('ALTER ROLE %s%s RESET %I', @mark, place, name)
FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase,
  unnest(s.setconfig) c, split_part(c, '=', 1) name, substr(c, strpos(c, '=') + 1) value,
  coalesce(' IN DATABASE ' || quote_ident(d.datname), '') place
WHERE r.rolname = @role";

const SHARED_GRANTS: &str = "\
SELECT format('%s %s %s %s', kind, name, x.privilege_type, x.is_grantable),
  format('GRANT %s ON %s %s TO %s%s', x.privilege_type, kind, name, @mark,
    CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END),
  format('REVOKE %s ON %s %s FROM %s', x.privilege_type, kind, name, @mark)
FROM (SELECT 'DATABASE' kind, quote_ident(datname) name, datacl acl FROM pg_database
  UNION ALL SELECT 'TABLESPACE', quote_ident(spcname), spcacl FROM pg_tablespace) o,
  aclexplode(o.acl) x JOIN pg_roles r ON r.oid = x.grantee
WHERE r.rolname = @role";

const PARAMETER_GRANTS: &str = "\
SELECT format('PARAMETER %s %s %s', p.parname, x.privilege_type, x.is_grantable),
  format('GRANT %s ON PARAMETER %s TO %s%s', x.privilege_type, p.parname, @mark,
    CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END),
  format('REVOKE %s ON PARAMETER %s FROM %s', x.privilege_type, p.parname, @mark)
FROM pg_parameter_acl p, aclexplode(p.paracl) x JOIN pg_roles r ON r.oid = x.grantee
WHERE r.rolname = @role";

/// What differs by database. Names are written only of objects with grants: writing those of 3,000 built-in
/// functions takes the server 60 ms.
pub(super) const LOCAL: &str = "\
WITH me AS (SELECT oid FROM pg_roles WHERE rolname = @role),
acls(kind, name, acl) AS (
  SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, oid::regclass::text, relacl FROM pg_class WHERE relacl IS NOT NULL
  UNION ALL SELECT 'SCHEMA', quote_ident(nspname), nspacl FROM pg_namespace WHERE nspacl IS NOT NULL
  UNION ALL SELECT 'ROUTINE', oid::regprocedure::text, proacl FROM pg_proc WHERE proacl IS NOT NULL
  UNION ALL SELECT 'TYPE', oid::regtype::text, typacl FROM pg_type WHERE typacl IS NOT NULL
  UNION ALL SELECT 'LANGUAGE', quote_ident(lanname), lanacl FROM pg_language WHERE lanacl IS NOT NULL
  UNION ALL SELECT 'FOREIGN DATA WRAPPER', quote_ident(fdwname), fdwacl FROM pg_foreign_data_wrapper WHERE fdwacl IS NOT NULL
  UNION ALL SELECT 'FOREIGN SERVER', quote_ident(srvname), srvacl FROM pg_foreign_server WHERE srvacl IS NOT NULL
  UNION ALL SELECT 'LARGE OBJECT', oid::text, lomacl FROM pg_largeobject_metadata WHERE lomacl IS NOT NULL),
grants(privilege, place, is_grantable) AS (
  SELECT x.privilege_type, a.kind || ' ' || a.name, x.is_grantable
  FROM acls a, aclexplode(a.acl) x, me WHERE x.grantee = me.oid
  UNION ALL
  SELECT format('%s (%I)', x.privilege_type, a.attname), 'TABLE ' || a.attrelid::regclass, x.is_grantable
  FROM pg_attribute a, aclexplode(a.attacl) x, me WHERE x.grantee = me.oid AND NOT a.attisdropped)
SELECT format('%s %s %s', privilege, place, is_grantable),
  format('GRANT %s ON %s TO %s%s', privilege, place, @mark,
    CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END),
  format('REVOKE %s ON %s FROM %s', privilege, place, @mark)
FROM grants
UNION ALL
SELECT format('%s %s', head, tail), format('%s GRANT %s TO %s%s', head, tail, whom, grantable),
  format('%s REVOKE %s FROM %s', head, tail, whom)
FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace, me, aclexplode(d.defaclacl) x,
  format('ALTER DEFAULT PRIVILEGES FOR ROLE %s%s',
    CASE WHEN d.defaclrole = me.oid THEN @mark ELSE quote_ident(pg_get_userbyid(d.defaclrole)) END,
    coalesce(' IN SCHEMA ' || quote_ident(n.nspname), '')) head,
  format('%s ON %s', x.privilege_type, CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES'
    WHEN 'f' THEN 'FUNCTIONS' WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END) tail,
  LATERAL (SELECT CASE WHEN x.grantee = me.oid THEN @mark WHEN x.grantee = 0 THEN 'PUBLIC'
    ELSE quote_ident(pg_get_userbyid(x.grantee)) END whom) w,
  LATERAL (SELECT CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END grantable) g
WHERE d.defaclrole = me.oid OR x.grantee = me.oid
UNION ALL
SELECT format('POLICY %I ON %s', p.polname, p.polrelid::regclass),
  format('ALTER POLICY %I ON %s TO %s, %s', p.polname, p.polrelid::regclass,
    (SELECT string_agg(quote_ident(pg_get_userbyid(o)), ', ') FROM unnest(p.polroles) o), @mark),
  format('ALTER POLICY %I ON %s TO (all its roles but %s)', p.polname, p.polrelid::regclass, @mark)
FROM pg_policy p, me WHERE me.oid = ANY (p.polroles)
UNION ALL
SELECT format('MAPPING %I', u.srvname), format('CREATE USER MAPPING FOR %s SERVER %I OPTIONS (as the other has)', @mark,
  u.srvname), format('DROP USER MAPPING FOR %s SERVER %I', @mark, u.srvname)
FROM pg_user_mappings u, me WHERE u.umuser = me.oid";
